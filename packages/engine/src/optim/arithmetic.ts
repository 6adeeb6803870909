/**
 * The arithmetic update rules are written in. The same rule runs on the engine's float32 tensors and on float64 arrays, which is
 * how it is compared with float64 references.
 */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';

export interface Arithmetic<T> {
  /** a·s + b */
  mulAdd(a: T, s: number, b: T): T;
  scale(a: T, s: number): T;
  /** a·k, k a scalar array. */
  scaleBy(a: T, k: T): T;
  square(a: T): T;
  maximum(a: T, b: T): T;
  /** a / (√b·s + eps) */
  divideByRoot(a: T, b: T, s: number, eps: number): T;
  /** √Σa², a scalar array. */
  norm(a: T): T;
  /** c·p/(g + d·p + e) where p > 0 and g > 0, else `otherwise`; scalar arrays. */
  ratio(p: T, g: T, options: { c: number; d: number; e: number; otherwise: number }): T;
  /** `a` where the scalar `test` is above zero, else `b`. */
  select(test: T, a: T, b: T): T;
  zeros(like: T): T;
}

export const engineArithmetic: Arithmetic<Tensor> = {
  mulAdd: (a, s, b) => tf.add(s === 1 ? a : tf.mul(a, s), b),
  scale: (a, s) => tf.mul(a, s),
  scaleBy: (a, k) => tf.mul(a, k),
  square: (a) => tf.square(a),
  maximum: (a, b) => tf.maximum(a, b),
  divideByRoot: (a, b, s, eps) => tf.div(a, tf.add(tf.mul(tf.sqrt(b), s), eps)),
  norm: (a) => tf.sqrt(tf.sum(tf.square(a))),
  ratio: (p, g, { c, d, e, otherwise }) => {
    const isUsable = tf.logicalAnd(tf.greater(p, 0), tf.greater(g, 0));
    // the denominator is kept away from 0 where the ratio is not used: 0/0 would poison the selection on some engines
    const denominator = tf.where(isUsable, tf.add(tf.add(g, tf.mul(p, d)), e), tf.onesLike(g));
    return tf.where(isUsable, tf.div(tf.mul(p, c), denominator), tf.fill([], otherwise));
  },
  select: (test, a, b) => {
    const k = tf.cast(tf.greater(test, 0), 'float32');
    return tf.add(tf.mul(a, k), tf.mul(b, tf.sub(1, k)));
  },
  zeros: (like) => tf.zerosLike(like),
};

const map = (a: Float64Array, value: (x: number, i: number) => number): Float64Array => Float64Array.from(a, value);
const one = (value: number): Float64Array => Float64Array.of(value);

export const float64Arithmetic: Arithmetic<Float64Array> = {
  mulAdd: (a, s, b) => map(a, (x, i) => x * s + b[i]!),
  scale: (a, s) => map(a, (x) => x * s),
  scaleBy: (a, k) => map(a, (x) => x * k[0]!),
  square: (a) => map(a, (x) => x * x),
  maximum: (a, b) => map(a, (x, i) => Math.max(x, b[i]!)),
  divideByRoot: (a, b, s, eps) => map(a, (x, i) => x / (Math.sqrt(b[i]!) * s + eps)),
  norm: (a) => one(Math.sqrt(a.reduce((sum, x) => sum + x * x, 0))),
  ratio: (p, g, { c, d, e, otherwise }) =>
    one(p[0]! > 0 && g[0]! > 0 ? (c * p[0]!) / (g[0]! + d * p[0]! + e) : otherwise),
  select: (test, a, b) => (test[0]! > 0 ? a : b),
  zeros: (like) => new Float64Array(like.length),
};
