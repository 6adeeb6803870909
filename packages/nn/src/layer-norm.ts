/** Layer normalisation: Ba et al., arXiv 1607.06450v1; torch's conventions (biased variance, eps inside the root). */
import type { Tensor, Variable } from '@unlabel/core';
import { init, parameter, tf } from '@unlabel/engine';
import type { Layer } from './layer.ts';

export interface LayerNorm extends Layer {
  readonly weight: Variable;
  readonly bias: Variable;
}

/** Over the last axis. eps: torch's 1e-5 by default; timm's and DINO's transformers have 1e-6. x […, D] → […, D] */
export function layerNorm(width: number, eps = 1e-5): LayerNorm {
  const weight = parameter(init.ones([width]));
  const bias = parameter(init.zeros([width]));
  return {
    weight,
    bias,
    params: new Map([['weight', weight], ['bias', bias]]), // prettier-ignore
    forward: (x) => normalizeLast(x, weight, bias, eps),
  };
}

/**
 * (x − mean)/√(var + eps)·gain + offset as one operation: the tape keeps x̂, the inverse deviation and the gain, where eight small
 * operations would keep eight tensors.
 */
export function normalizeLast(x: Tensor, gain: Tensor, offset: Tensor, eps: number): Tensor {
  const run = tf.customGrad((...args) => {
    const [h, weight, bias, save] = args as unknown as [Tensor, Tensor, Tensor, (kept: Tensor[]) => void];
    const centered = tf.sub(h, tf.mean(h, -1, true));
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centered), -1, true), eps)); // […, 1]
    const normal = tf.mul(centered, inverse);
    save([normal, inverse, weight]);
    return { value: tf.add(tf.mul(normal, weight), bias), gradFunc: layerNormGradient };
  });
  return run(x, gain, offset);
}

function layerNormGradient(dy: Tensor, saved: Tensor[]): Tensor[] {
  const [normal, inverse, weight] = saved as [Tensor, Tensor, Tensor];
  const width = weight.shape[0]!;
  const rows = (t: Tensor) => tf.reshape(t, [-1, width]);
  const dNormal = tf.mul(dy, weight);
  const along = tf.mul(normal, tf.mean(tf.mul(dNormal, normal), -1, true));
  const dx = tf.mul(tf.sub(tf.sub(dNormal, tf.mean(dNormal, -1, true)), along), inverse);
  return [dx, tf.sum(rows(tf.mul(dy, normal)), 0), tf.sum(rows(dy), 0)];
}
