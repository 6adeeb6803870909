/**
 * SimSiam: a predictor on one view must meet the projection of the other, which is held still.
 *
 * Chen, He, "Exploring Simple Siamese Representation Learning", CVPR 2021, arXiv 2011.10566v1 (Eq. 1–4). Range −1 … 1; code that
 * reports 1 − cos instead has the same gradient.
 *
 * Legend: B rows, D width.
 */
import { ConfigError, type Scalar, type Tensor } from '@unlabel/core';
import { tf, withoutGradient } from '@unlabel/engine';
import { unitRows } from './info-nce.ts';

export interface SimSiamInputs {
  /** Predictions of both views [B, D]. */
  readonly p1: Tensor;
  readonly p2: Tensor;
  /** Projections of both views [B, D]; no gradient flows into them. */
  readonly z1: Tensor;
  readonly z2: Tensor;
}

/** ½·D(p₁, z₂) + ½·D(p₂, z₁), D(p, z) = −mean cosine over rows. */
export function simSiam({ p1, p2, z1, z2 }: SimSiamInputs): Scalar {
  const shapes = [p1, p2, z1, z2].map(({ shape }) => `[${shape.join(', ')}]`);
  if (p1.rank !== 2 || new Set(shapes).size > 1) {
    throw new ConfigError(`simSiam: p1, p2, z1, z2 are ${shapes.join(', ')}; expected four equal [B, D]`);
  }
  const meanCosine = (p: Tensor, z: Tensor): Tensor => {
    const still = withoutGradient(() => ({ z: unitRows(z) })).z;
    return tf.mean(tf.sum(tf.mul(unitRows(p), still), 1));
  };
  return tf.mul(tf.add(meanCosine(p1, z2), meanCosine(p2, z1)), -0.5) as Scalar;
}
