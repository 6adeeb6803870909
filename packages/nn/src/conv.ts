/** 2-D convolution and max pooling, channels last. */
import type { Rng, Variable } from '@unlabel/core';
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

export interface Conv2d extends Layer {
  readonly weight: Variable;
  readonly bias: Variable | undefined;
}

/** x [B, H, W, in] → [B, H′, W′, out]; square kernel, torch's default initialisation and geometry. */
export function conv2d(inputs: number, outputs: number, kernel: number, rng: Rng, options: Conv2dOptions = {}): Conv2d {
  const { stride = 1, padding = 0, hasBias = true } = options;
  const shape = [outputs, inputs, kernel, kernel];
  const weight = parameter(init.kaimingUniform(shape, rng.fork('weight')), { layout: 'conv2d' });
  const bias = hasBias ? parameter(init.defaultBias(shape, rng.fork('bias'))) : undefined;
  return {
    weight,
    bias,
    params: new Map([['weight', weight], ...(bias ? [['bias', bias] as const] : [])]),
    forward: (x) => {
      // zeros laid around by hand: the native engine takes no padding in numbers, and 'same' is lopsided when the stride is 2
      const around: [number, number] = [padding, padding];
      const padded = padding === 0 ? x : tf.pad(x, [[0, 0], around, around, [0, 0]]);
      const y = tf.conv2d(asTensor4D(padded, 'conv2d'), weight as unknown as Tensor4D, stride, 'valid');
      return bias ? tf.add(y, bias) : y;
    },
  };
}

/** Largest of each size×size window, stride `size`; an incomplete last window is dropped, as in torch. [B, H, W, C] → [B, ⌊H/s⌋, ⌊W/s⌋, C] */
export const maxPool2d = (size: number): Layer =>
  stateless((x) => tf.maxPool(asTensor4D(x, 'maxPool2d'), size, size, 'valid'));
