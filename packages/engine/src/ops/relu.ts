/**
 * ReLU's gradient from its result. TensorFlow.js makes it of seven operations (`step`, with its NaN), an eighth of a ResNet-50's
 * training step, and keeps the input; the result is kept by whatever comes next.
 */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { defineGradient, hasKernel, runKernel } from './kernel.ts';

/** dy where y > 0, else 0. */
export function reluGradient(dy: Tensor, y: Tensor): Tensor {
  if (hasKernel('ReluGrad')) return runKernel('ReluGrad', { dy, y }, {})[0]!;
  return tf.mul(dy, tf.cast(tf.greater(y, 0), 'float32'));
}

tf.unregisterGradient('Relu');
defineGradient({
  kernel: 'Relu',
  inputs: [],
  outputs: [true],
  gradient: ([dy], [y]) => ({ x: () => reluGradient(dy!, y!) }),
});
