/** Fully connected layer. */
import type { Rng, Tensor } from '@unlabel/core';
import { init, parameter, tf } from '@unlabel/engine';
import type { Layer } from './layer.ts';

export interface LinearOptions {
  /** Default true. */
  readonly hasBias?: boolean;
}

/** x·Wᵀ + b over the last axis; weight [out, in], torch's default initialisation. x […, in] → […, out] */
export function linear(inputs: number, outputs: number, rng: Rng, { hasBias = true }: LinearOptions = {}): Layer {
  const shape = [outputs, inputs];
  const weight = parameter(init.kaimingUniform(shape, rng.fork('weight')));
  const bias = hasBias ? parameter(init.defaultBias(shape, rng.fork('bias'))) : undefined;
  return {
    params: new Map([['weight', weight], ...(bias ? [['bias', bias] as const] : [])]),
    forward: (x) => dense(x, weight, bias),
  };
}

/** x […, in], weight [out, in], bias [out] → […, out] */
export function dense(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const rows = x.rank === 2 ? x : tf.reshape(x, [-1, x.shape.at(-1)!]);
  const product = tf.matMul(rows, weight, false, true);
  const y = bias ? tf.add(product, bias) : product;
  return x.rank === 2 ? y : tf.reshape(y, [...x.shape.slice(0, -1), weight.shape[0]!]);
}
