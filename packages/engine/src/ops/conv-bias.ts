/** A convolution and what follows it in evaluation, in one pass over the product. */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { hasKernel, runKernel } from './kernel.ts';
import { zerosAround } from './padding.ts';

type Image = ReturnType<typeof tf.tensor4d>;

export interface ConvBiasOptions {
  /** Default 1. */
  readonly stride?: number;
  /** Zeros on each side. Default 0. */
  readonly padding?: number;
  readonly relu?: boolean;
  /** Of the convolution's channels, [O]: a batch norm's, which would else be multiplied into the kernel. Default 1. */
  readonly scale?: Tensor | undefined;
  /** Added before the ReLU: the shortcut of a residual block, of the result's shape. */
  readonly shortcut?: Tensor | undefined;
}

/**
 * conv(x)·scale + bias + shortcut, then ReLU if asked for. The kernel is for evaluation; where a gradient is recorded the operations are
 * composed.
 * @param x [B, H, W, I]
 * @param kernel [h, w, I, O]
 * @param bias [O]
 * @returns [B, H′, W′, O]
 */
export function convBias(x: Tensor, kernel: Tensor, bias: Tensor, options: ConvBiasOptions = {}): Tensor {
  const { stride = 1, padding = 0, relu = false, shortcut, scale } = options;
  return tf.tidy(() => {
    const isRecorded = tf.engine().state.gradientDepth > 0;
    if (hasKernel('ConvBias') && !isRecorded) {
      const inputs = { x, kernel, bias, ...(shortcut ? { shortcut } : {}), ...(scale ? { scale } : {}) };
      return runKernel('ConvBias', inputs, { stride, padding, relu })[0]!;
    }
    const y = tf.fused.conv2d({
      x: x as Image,
      filter: (scale ? tf.mul(kernel, scale) : kernel) as Image,
      strides: stride,
      pad: zerosAround(padding),
      bias: bias as ReturnType<typeof tf.tensor1d>,
      activation: relu && !shortcut ? 'relu' : 'linear',
    });
    if (!shortcut) return y;
    const sum = tf.add(y, shortcut);
    return relu ? tf.relu(sum) : sum;
  });
}
