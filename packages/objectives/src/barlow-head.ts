/** What Barlow Twins puts behind a backbone: projector, batch norm without gain and offset, the loss. Sources in `barlow-twins.ts`. */
import type { Params, Rng, Tensor } from '@unlabel/core';
import { mergeParams, prefixed, tf } from '@unlabel/engine';
import { batchNorm, dropout, mlp, type LayerOptions } from '@unlabel/nn';
import { barlowTwins, type BarlowTwinsLoss, type BarlowTwinsOptions } from './barlow-twins.ts';

/** B(y₁, y₂). */
export interface BarlowHead {
  /** `projector.0.weight`, …, and the norm's buffers `bn.running_mean`, `bn.running_var`. */
  readonly params: Params;
  /** y₁, y₂ [B, D]; gradients flow into the projector from both sides, and into the inputs that have one. */
  loss(y1: Tensor, y2: Tensor, options: LayerOptions, weights?: BarlowTwinsOptions): BarlowTwinsLoss;
}

export interface BarlowHeadOptions extends BarlowTwinsOptions {
  /** D */
  readonly inputs: number;
  /** U; the projector is D → U → U → U. */
  readonly width: number;
  /** In front of the projector. Default 0. */
  readonly dropout?: number;
}

export function barlowHead(options: BarlowHeadOptions, rng: Rng): BarlowHead {
  const { inputs, width: u, dropout: rate = 0 } = options;
  const projector = mlp({ widths: [inputs, u, u, u] }, rng);
  const drop = dropout(rate);
  const norm = batchNorm(u, { isAffine: false });
  return {
    params: mergeParams(prefixed('projector', projector.params), prefixed('bn', norm.params)),
    loss(y1, y2, { training, rng: draws }, weights = options) {
      // both views in one batch, normalised apart; the running statistics see the first view first
      const call: LayerOptions = { training, groups: 2, ...(draws ? { rng: draws } : {}) };
      const n = norm.forward(projector.forward(drop.forward(tf.concat([y1, y2]), call), call), call); // [2B, U]
      const [n1, n2] = tf.split(n, 2) as [Tensor, Tensor];
      return barlowTwins(n1, n2, weights);
    },
  };
}
