/** Convolution, batch normalisation and ReLU as one step of a network. */
import type { Rng, Tensor } from '@unlabel/core';
import { tf, type Tensor1D, type Tensor4D } from '@unlabel/engine';
import { batchNorm, type BatchNorm } from './batch-norm.ts';
import { conv2d, convGeometry, type Conv2d, type Conv2dOptions } from './conv.ts';
import type { LayerOptions } from './layer.ts';

export interface ConvNormOptions extends Omit<Conv2dOptions, 'hasBias'> {
  /** A ReLU behind it. Default true. */
  readonly relu?: boolean;
}

export interface ConvNorm {
  readonly conv: Conv2d;
  readonly norm: BatchNorm;
  forward(x: Tensor, options: LayerOptions): Tensor;
}

/**
 * conv (no bias) → BN → ReLU, x [B, H, W, in] → [B, H′, W′, out]. The two keep parameters of their own, because networks name them
 * apart (`conv1`, `bn1`). In evaluation batch norm is folded into the kernel, so that one operation is left of three.
 */
export function convNorm(
  inputs: number,
  outputs: number,
  kernel: number,
  rng: Rng,
  options: ConvNormOptions = {},
): ConvNorm {
  const { relu = true, ...geometry } = options;
  const conv = conv2d(inputs, outputs, kernel, rng, { ...geometry, hasBias: false });
  const norm = batchNorm(outputs, { relu });
  return {
    conv,
    norm,
    forward: (x, call) =>
      call.training ? norm.forward(conv.forward(x, call), call) : folded(x, conv, norm, kernel, relu),
  };
}

function folded(x: Tensor, conv: Conv2d, norm: BatchNorm, kernel: number, relu: boolean): Tensor {
  const inverse = tf.rsqrt(tf.add(norm.variance, norm.eps));
  const scale = norm.weight ? tf.mul(inverse, norm.weight) : inverse;
  const shift = tf.mul(norm.mean, scale);
  const { x: image, padding } = convGeometry(x, kernel, conv);
  return tf.fused.conv2d({
    x: image,
    filter: tf.mul(conv.weight, scale) as Tensor4D,
    strides: conv.stride,
    pad: padding,
    bias: (norm.bias ? tf.sub(norm.bias, shift) : tf.neg(shift)) as Tensor1D,
    activation: relu ? 'relu' : 'linear',
  });
}
