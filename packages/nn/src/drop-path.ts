/** Stochastic depth: Huang et al., arXiv 1603.09382v3, per row, as timm's DropPath; and dropping whole layers (Fan et al., 1909.11556v1). */
import { ConfigError, type Tensor } from '@unlabel/core';
import { plus, scaleRows, tf } from '@unlabel/engine';
import { stateless, type Layer, type LayerOptions } from './layer.ts';

/** Zeroes whole rows of a residual branch with probability `rate` when training and divides the others by 1 − rate. x [B, …] */
export function dropPath(rate: number): Layer {
  checkRate(rate, 'dropPath');
  return stateless((x, { training, rng }) => {
    if (!training || rate === 0) return x;
    if (!rng) throw new ConfigError('dropPath: training needs a random generator (options.rng)');
    const rows = x.shape[0]!;
    const kept = Float32Array.from({ length: rows }, () => (rng.uniform() < rate ? 0 : 1 / (1 - rate)));
    return scaleRows(x, tf.tensor1d(kept));
  });
}

/** Whether a layer runs: one draw for the whole batch; never dropped outside training. `forward` of a layer that is left out is x. */
export function layerRuns(rate: number, { training, rng }: LayerOptions): boolean {
  checkRate(rate, 'layerDrop');
  if (!training || rate === 0) return true;
  if (!rng) throw new ConfigError('layerDrop: training needs a random generator (options.rng)');
  return rng.uniform() >= rate;
}

/** Rates rising evenly from 0 to `last`, one a block, as timm and DINO set them. */
export const risingRates = (last: number, depth: number): number[] =>
  Array.from({ length: depth }, (_, i) => (depth === 1 ? 0 : (last * i) / (depth - 1)));

function checkRate(rate: number, what: string): void {
  if (!(rate >= 0 && rate < 1)) throw new ConfigError(`${what}: rate ${rate} is outside 0…1`);
}

/** x + branch, the branch dropped by rows. */
export const addBranch = (x: Tensor, branch: Tensor, drop: Layer, options: LayerOptions): Tensor =>
  plus(x, drop.forward(branch, options));
