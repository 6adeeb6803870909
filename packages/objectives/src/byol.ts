/**
 * BYOL's regression of a target network's projections.
 *
 * [0] Grill, Strub, Altché, et al., "Bootstrap Your Own Latent", NeurIPS 2020, arXiv 2006.07733v3 (Eq. 2, §3.1, App. J).
 * [1] deepmind-research byol/utils/helpers.py `regression_loss`: rows are brought to length 1.
 * SimSiam's −cos (Chen and He, arXiv 2011.10566v1, Eq. 1, 2) has a quarter of this gradient: loss/4 − 1.
 *
 * Legend: B rows, D width of a projection.
 */
import { ConfigError, type Scalar, type Tensor } from '@unlabel/core';
import { tf, withoutGradient } from '@unlabel/engine';
import { unitRows } from './info-nce.ts';

/** Mean over rows of ‖p̂ − ẑ‖² = 2 − 2·cos(p, z), in 0…4; 2 for unrelated rows. p, z [B, D]; no gradient flows into z. */
export function byolTerm(p: Tensor, z: Tensor): Scalar {
  if (p.rank !== 2 || p.shape.join() !== z.shape.join()) {
    throw new ConfigError(
      `byol: predictions are [${p.shape.join(', ')}], targets [${z.shape.join(', ')}]; expected two equal [B, D]`,
    );
  }
  const target = withoutGradient(() => unitRows(z));
  const cosines = tf.sum(tf.mul(unitRows(p), target), 1); // [B]
  return tf.mean(tf.sub(2, tf.mul(cosines, 2))) as Scalar;
}

export interface ByolInputs {
  /** Online predictions of each view [B, D]. */
  readonly p1: Tensor;
  readonly p2: Tensor;
  /** Target projections of each view [B, D], taken as constants. */
  readonly z1: Tensor;
  readonly z2: Tensor;
}

/** Each view's prediction against the other's projection, both ways added, as published: 4 for unrelated rows. Some halve it (ATST). */
export const byol = ({ p1, p2, z1, z2 }: ByolInputs): Scalar => tf.add(byolTerm(p1, z2), byolTerm(p2, z1));

/** Decay τ of the target after `index` of `total` steps: 1 − (1 − base)·(cos(π·index/total) + 1)/2, from `base` to 1 ([0] §3.1). */
export function byolDecay(index: number, total: number, base: number): number {
  const done = Math.min(index, total) / Math.max(1, total);
  return 1 - ((1 - base) * (Math.cos(Math.PI * done) + 1)) / 2;
}

/**
 * How far apart rows of length 1 are: the mean over dimensions of their standard deviation (unbiased). 0 when a network has
 * collapsed, about 1/√D for rows that point everywhere. x [B, D]
 */
export function directionSpread(x: Tensor): Scalar {
  const unit = unitRows(x);
  const centered = tf.sub(unit, tf.mean(unit, 0, true));
  const variance = tf.div(tf.sum(tf.square(centered), 0), Math.max(1, x.shape[0]! - 1)); // [D]
  return tf.mean(tf.sqrt(variance)) as Scalar;
}
