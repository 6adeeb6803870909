/** Projectors and other small heads. */
import { ConfigError, type Rng } from '@unlabel/core';
import { batchNorm } from './batch-norm.ts';
import { sequential, stateless, type Layer } from './layer.ts';
import { linear } from './linear.ts';

const identity = stateless((x) => x);

export interface MlpOptions {
  /** Widths from input to output: at least two. */
  readonly widths: readonly number[];
  /** Batch normalisation between a linear layer and its ReLU. Default true. */
  readonly hasNorm?: boolean;
  /** Biases of all linear layers. Default: only without normalisation, whose offset would absorb them. */
  readonly hasBias?: boolean;
}

/** Linear → BN → ReLU, …, Linear; named like torch's Sequential: `0.weight`, `1.weight`, `3.weight`, … x [B, first] → [B, last] */
export function mlp({ widths, hasNorm = true, hasBias = !hasNorm }: MlpOptions, rng: Rng): Layer {
  if (widths.length < 2) throw new ConfigError(`mlp: ${widths.length} widths; expected input and output at least`);
  const layers: Layer[] = [];
  for (let i = 1; i < widths.length; i++) {
    const isLast = i === widths.length - 1;
    const relu = !isLast && !hasNorm;
    layers.push(linear(widths[i - 1]!, widths[i]!, rng.fork(layers.length), { hasBias, relu }));
    if (isLast) break;
    if (hasNorm) layers.push(batchNorm(widths[i]!, { relu: true }));
    layers.push(identity); // where torch's ReLU stands: ours is part of the layer before
  }
  return sequential(layers);
}
