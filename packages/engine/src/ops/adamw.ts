/** One update of Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101v3), as `torch.optim.AdamW` does it. */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { hasKernel, runKernel } from './kernel.ts';

export interface AdamWUpdateOptions {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  /** Added to the root of the corrected second moment. */
  readonly eps: number;
  /** λ: the parameter shrinks by lr·λ of itself. */
  readonly weightDecay: number;
  /** t: 1 for the first update; the moments are corrected by 1 − βᵗ. */
  readonly step: number;
}

/**
 * m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²; p ← p − lr·λ·p − lr·m̂/(√v̂ + ε).
 * @returns new [param, first moment, second moment]; the inputs are left as they are. Not differentiable.
 */
export function adamWUpdate(
  param: Tensor,
  grad: Tensor,
  first: Tensor,
  second: Tensor,
  { lr, beta1, beta2, eps, weightDecay, step }: AdamWUpdateOptions,
): [Tensor, Tensor, Tensor] {
  const rate = lr / (1 - beta1 ** step);
  const root = 1 / Math.sqrt(1 - beta2 ** step);
  return tf.tidy(() => {
    if (hasKernel('AdamW')) {
      const rates = tf.tensor1d([rate, beta1, 1 - beta1, beta2, 1 - beta2, eps, root, lr * weightDecay]);
      return runKernel('AdamW', { param, grad, first, second, rates }, {}) as [Tensor, Tensor, Tensor];
    }
    const m = tf.add(tf.mul(first, beta1), tf.mul(grad, 1 - beta1));
    const v = tf.add(tf.mul(second, beta2), tf.mul(tf.square(grad), 1 - beta2));
    const direction = tf.div(tf.mul(m, rate), tf.add(tf.mul(tf.sqrt(v), root), eps));
    const kept = weightDecay === 0 ? param : tf.mul(param, 1 - lr * weightDecay);
    return [tf.sub(kept, direction), m, v];
  });
}
