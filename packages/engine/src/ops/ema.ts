/** One step of an exponential moving average. */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { hasKernel, runKernel } from './kernel.ts';

/**
 * decay·target + (1 − decay)·source, of one shape. Not differentiable.
 * @returns a new tensor
 */
export function ema(target: Tensor, source: Tensor, decay: number): Tensor {
  return tf.tidy(() => {
    if (hasKernel('Ema')) return runKernel('Ema', { target, source, rates: tf.tensor1d([decay, 1 - decay]) }, {})[0]!;
    return tf.add(tf.mul(target, decay), tf.mul(source, 1 - decay));
  });
}
