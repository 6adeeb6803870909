/** 2-D convolution and max pooling, channels last. */
import type { Rng } from '@unlabel/core';
import { asTensor4D, init, parameter, tf, type Tensor4D } from '@unlabel/engine';
import { stateless, type Layer } from './layer.ts';

export interface Conv2dOptions {
  /** Default 1. */
  readonly stride?: number;
  /** Zeros on each side, as torch counts them. Default 0. */
  readonly padding?: number;
  /** Default true. */
  readonly hasBias?: boolean;
}

/** x [B, H, W, in] → [B, H′, W′, out]; square kernel, torch's default initialisation and geometry. */
export function conv2d(inputs: number, outputs: number, kernel: number, rng: Rng, options: Conv2dOptions = {}): Layer {
  const { stride = 1, padding = 0, hasBias = true } = options;
  const shape = [outputs, inputs, kernel, kernel];
  const weight = parameter(init.kaimingUniform(shape, rng.fork('weight')), { layout: 'conv2d' });
  const bias = hasBias ? parameter(init.defaultBias(shape, rng.fork('bias'))) : undefined;
  return {
    params: new Map([['weight', weight], ...(bias ? [['bias', bias] as const] : [])]),
    forward: (x) => {
      const y = tf.conv2d(asTensor4D(x, 'conv2d'), weight as unknown as Tensor4D, stride, padding);
      return bias ? tf.add(y, bias) : y;
    },
  };
}

/** Largest of each size×size window, stride `size`; an incomplete last window is dropped, as in torch. [B, H, W, C] → [B, ⌊H/s⌋, ⌊W/s⌋, C] */
export const maxPool2d = (size: number): Layer =>
  stateless((x) => tf.maxPool(asTensor4D(x, 'maxPool2d'), size, size, 'valid'));
