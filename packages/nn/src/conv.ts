/** 2-D convolution and max pooling, channels last. */
import type { Rng, Tensor, Variable } from '@unlabel/core';
import { asTensor4D, init, maxPool, parameter, tf, zerosAround } from '@unlabel/engine';
import { stateless, type Layer } from './layer.ts';

export interface Conv2dOptions {
  /** Default 1. */
  readonly stride?: number;
  /** Zeros on each side, as torch counts them. Default 0. */
  readonly padding?: number;
  /** Default true. */
  readonly hasBias?: boolean;
  /** First weights: torch's default U(±1/√fanIn), or the ResNets' normal of variance 2/fanOut. Default `default`. */
  readonly init?: 'default' | 'kaimingFanOut';
}

export interface Conv2d extends Layer {
  readonly weight: Variable;
  readonly bias: Variable | undefined;
  readonly stride: number;
  readonly padding: number;
}

/** x [B, H, W, in] → [B, H′, W′, out]; square kernel, torch's default initialisation and geometry. */
export function conv2d(inputs: number, outputs: number, kernel: number, rng: Rng, options: Conv2dOptions = {}): Conv2d {
  const { stride = 1, padding = 0, hasBias = true } = options;
  const shape = [outputs, inputs, kernel, kernel];
  const draws = rng.fork('weight');
  const first =
    options.init === 'kaimingFanOut' ? init.kaimingNormal(shape, draws, 'fanOut') : init.kaimingUniform(shape, draws);
  const weight = parameter(first, { layout: 'conv2d' });
  const bias = hasBias ? parameter(init.defaultBias(shape, rng.fork('bias'))) : undefined;
  return {
    weight,
    bias,
    stride,
    padding,
    params: new Map([['weight', weight], ...(bias ? [['bias', bias] as const] : [])]),
    forward: (x) => {
      const y = convolve(x, weight, { stride, padding });
      return bias ? tf.add(y, bias) : y;
    },
  };
}

/** x [B, H, W, in] and a kernel [h, w, in, out] in memory layout, torch's geometry. */
export function convolve(
  x: Tensor,
  kernel: Tensor,
  { stride, padding }: { readonly stride: number; readonly padding: number },
): Tensor {
  const image = asTensor4D(x, 'conv2d');
  const filter = asTensor4D(kernel, 'conv2d kernel');
  return tf.conv2d(image, filter, stride, zerosAround(padding));
}

export interface MaxPool2dOptions {
  /** Default: the window's size. */
  readonly stride?: number;
  /** Zeros on each side. Equal to torch's −∞ only behind a ReLU, where nothing is smaller. Default 0. */
  readonly padding?: number;
}

/** Largest of each size×size window; an incomplete last window is dropped, as in torch. [B, H, W, C] → [B, ⌊(H+2p−size)/s⌋+1, …, C] */
export const maxPool2d = (size: number, { stride = size, padding = 0 }: MaxPool2dOptions = {}): Layer =>
  stateless((x) => maxPool(asTensor4D(x, 'maxPool2d'), { size, stride, padding }));
