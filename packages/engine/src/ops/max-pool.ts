/** A max pool with a border of its own. TensorFlow's takes none, and its gradient is an eighth as fast. */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { defineGradient, hasKernel, runKernel } from './kernel.ts';

export interface MaxPoolOptions {
  readonly size: number;
  readonly stride: number;
  /** Width of the border, below `size`. */
  readonly padding: number;
}

defineGradient({
  kernel: 'PaddedMaxPool',
  inputs: ['x'],
  gradient: ([dy], [x], attrs) => ({ x: () => runKernel('PaddedMaxPoolGrad', { x: x!, dy: dy! }, attrs)[0]! }),
});

/**
 * Largest of each size×size window of x ≥ 0, the result of a ReLU: the border counts as zeros, which nothing is smaller than. The
 * gradient goes to a window's first largest element. An incomplete last window is dropped.
 * @param x [B, H, W, C]
 * @returns [B, ⌊(H + 2·padding − size)/stride⌋ + 1, …, C]
 */
export function maxPool(x: Tensor, { size, stride, padding }: MaxPoolOptions): Tensor {
  return tf.tidy(() => {
    if (hasKernel('PaddedMaxPool')) return runKernel('PaddedMaxPool', { x }, { size, stride, padding })[0]!;
    const around: [number, number] = [padding, padding];
    const padded = padding === 0 ? x : tf.pad(x, [[0, 0], around, around, [0, 0]]);
    return tf.maxPool(padded as ReturnType<typeof tf.tensor4d>, size, stride, 'valid');
  });
}
