/**
 * Layers: parameters under torch's names and a pure forward function. Activations lie channels last ([B, H, W, C], [B, D]); a
 * linear weight stays [out, in]. Call `forward` inside `tf.tidy` or a gradient.
 */
import { mergeParams, prefixed } from '@unlabel/engine';
import type { Params, Rng, Tensor } from '@unlabel/core';

export interface LayerOptions {
  /** Batch statistics and dropout on. */
  readonly training: boolean;
  /** Source of the draws of layers that need them when training. */
  readonly rng?: Rng;
  /** Rows are this many equal runs (views), each normalised by statistics of its own. Default: one. */
  readonly groups?: number;
}

export interface Layer {
  readonly params: Params;
  forward(x: Tensor, options: LayerOptions): Tensor;
}

/** A layer without parameters. */
export const stateless = (forward: Layer['forward']): Layer => ({ params: new Map(), forward });

/**
 * Layers one after the other, named by position like torch's `nn.Sequential` (a layer without parameters takes a number too). Each
 * layer draws from its own stream.
 */
export function sequential(layers: readonly Layer[]): Layer {
  return {
    params: mergeParams(...layers.map((layer, i) => prefixed(String(i), layer.params))),
    forward: (x, options) => layers.reduce((h, layer, i) => layer.forward(h, forked(options, i)), x),
  };
}

/** The options with the random stream of one part of a network. */
export const forked = (options: LayerOptions, label: string | number): LayerOptions =>
  options.rng ? { ...options, rng: options.rng.fork(label) } : options;
