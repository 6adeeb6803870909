/** One update of stochastic gradient descent with momentum, as `torch.optim.SGD` does it (no dampening). */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { hasKernel, runKernel } from './kernel.ts';

export interface SgdMomentumOptions {
  readonly lr: number;
  readonly momentum: number;
  /** λ, added to the gradient as λ·param. */
  readonly weightDecay: number;
  readonly nesterov?: boolean;
}

/**
 * v ← μ·v + (g + λ·p); p ← p − lr·v, or with Nesterov p ← p − lr·(g + λ·p + μ·v).
 * @returns new [param, velocity]; the inputs are left as they are. Not differentiable.
 */
export function sgdMomentum(
  param: Tensor,
  grad: Tensor,
  velocity: Tensor,
  { lr, momentum, weightDecay, nesterov = false }: SgdMomentumOptions,
): [Tensor, Tensor] {
  return tf.tidy(() => {
    if (hasKernel('SgdMomentum')) {
      const rates = tf.tensor1d([lr, momentum, weightDecay]);
      return runKernel('SgdMomentum', { param, grad, velocity, rates }, { nesterov }) as [Tensor, Tensor];
    }
    const gradient = weightDecay === 0 ? grad : tf.add(grad, tf.mul(param, weightDecay));
    const next = tf.add(tf.mul(velocity, momentum), gradient);
    const direction = nesterov ? tf.add(gradient, tf.mul(next, momentum)) : next;
    return [tf.sub(param, tf.mul(direction, lr)), next];
  });
}
