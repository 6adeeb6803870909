/** Convolution, batch normalisation and ReLU as one step of a network. */
import type { Rng, Tensor } from '@unlabel/core';
import { convBias, plus, tf } from '@unlabel/engine';
import { batchNorm, type BatchNorm } from './batch-norm.ts';
import { conv2d, type Conv2d, type Conv2dOptions } from './conv.ts';
import type { LayerOptions } from './layer.ts';

export interface ConvNormOptions extends Omit<Conv2dOptions, 'hasBias'> {
  /** A ReLU behind it. Default true. */
  readonly relu?: boolean;
  /** The end of a residual block: `forward` is given a shortcut, which is added before the ReLU. Default false. */
  readonly hasShortcut?: boolean;
}

export interface ConvNorm {
  readonly conv: Conv2d;
  readonly norm: BatchNorm;
  /** @param shortcut of the result's shape, where the step `hasShortcut` */
  forward(x: Tensor, options: LayerOptions, shortcut?: Tensor): Tensor;
}

/**
 * conv (no bias) → BN → ReLU, x [B, H, W, in] → [B, H′, W′, out]. The two keep parameters of their own, because networks name them
 * apart (`conv1`, `bn1`). In evaluation batch norm is a scale and a bias of the convolution, so that one operation is left of three.
 */
export function convNorm(
  inputs: number,
  outputs: number,
  kernel: number,
  rng: Rng,
  options: ConvNormOptions = {},
): ConvNorm {
  const { relu = true, hasShortcut = false, ...geometry } = options;
  const conv = conv2d(inputs, outputs, kernel, rng, { ...geometry, hasBias: false });
  const norm = batchNorm(outputs, { relu: relu && !hasShortcut });
  return {
    conv,
    norm,
    forward(x, call, shortcut) {
      if (!call.training) return folded(x, conv, norm, { relu, shortcut });
      const h = conv.forward(x, call);
      if (!shortcut) return norm.forward(h, call);
      return relu ? norm.addRelu(h, shortcut, call) : plus(norm.forward(h, call), shortcut);
    },
  };
}

function folded(
  x: Tensor,
  conv: Conv2d,
  norm: BatchNorm,
  options: { readonly relu: boolean; readonly shortcut: Tensor | undefined },
): Tensor {
  const { relu, shortcut } = options;
  const inverse = tf.rsqrt(tf.add(norm.variance, norm.eps));
  const scale = norm.weight ? tf.mul(inverse, norm.weight) : inverse;
  const shift = tf.mul(norm.mean, scale);
  const bias = norm.bias ? tf.sub(norm.bias, shift) : tf.neg(shift);
  const { stride, padding } = conv;
  return convBias(x, conv.weight, bias, { stride, padding, scale, relu, shortcut });
}
