/**
 * NT-Xent: each view must pick the other view of its own row among all other views of the batch.
 *
 * [0] Chen, Kornblith, Norouzi, Hinton, "A Simple Framework for Contrastive Learning of Visual Representations" (SimCLR), ICML 2020,
 *     arXiv 2002.05709v3 (Eq. 1, Algorithm 1).
 * [1] google-research/simclr tf2/objective.py@383d4143: returns the sum of the two directions, which is `scale: 2` here.
 * [2] CHeggan/MT-SLVR Frameworks_@13b49c20: mean over the 2B views, τ = 0.07.
 *
 * Legend: B rows, D width.
 */
import { ConfigError, type Scalar, type Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';
import { unitRows } from './info-nce.ts';

export interface NtXentOptions {
  /** τ: 0.1 for ImageNet and 0.5 for CIFAR-10 in [0], 0.07 in [2]. */
  readonly temperature: number;
  /** Factor of the mean over the 2B views (Algorithm 1). Default 1; 2 gives the numbers of [1]. */
  readonly scale?: number;
}

export interface NtXentLoss {
  readonly loss: Scalar;
  /** sim/τ of every view with every other [2B, 2B], first the rows of z₁; −1e9 for a view with itself. */
  readonly logits: Tensor;
}

/**
 * −scale/2B·Σ_i log(exp(s_{i,p(i)}) / Σ_{k≠i} exp(s_ik)), s the cosines over τ, p(i) the other view of the row; the positive is one of
 * the k. z₁, z₂ [B, D] are of any length and both get the gradient.
 */
export function ntXent(z1: Tensor, z2: Tensor, { temperature, scale = 1 }: NtXentOptions): NtXentLoss {
  if (z1.rank !== 2 || z1.shape.join() !== z2.shape.join()) {
    throw new ConfigError(
      `ntXent: views are [${z1.shape.join(', ')}] and [${z2.shape.join(', ')}]; expected two equal [B, D]`,
    );
  }
  if (!(temperature > 0)) throw new ConfigError(`ntXent: temperature ${temperature}; expected a number above 0`);
  const rows = z1.shape[0]!;
  const [u1, u2] = [unitRows(z1), unitRows(z2)];
  const all = tf.concat([u1, u2]); // [2B, D]
  const itself = tf.mul(tf.eye(2 * rows), -1e9); // as [1]; exp of it is 0
  const logits = tf.add(tf.div(tf.matMul(all, all, false, true), temperature), itself);
  const positive = tf.div(tf.sum(tf.mul(u1, u2), 1), temperature); // [B], the same from either side
  const mean = tf.sub(tf.mean(tf.logSumExp(logits, 1)), tf.mean(positive));
  return { loss: tf.mul(mean, scale) as Scalar, logits };
}
