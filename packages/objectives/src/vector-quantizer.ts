/**
 * Vector quantisation on the unit sphere with a codebook that follows its vectors: VQ-VAE (van den Oord et al., arXiv 1711.00937v2), the
 * codebook by moving averages (its appendix A.1), unit vectors and cosine k-means to begin with as microsoft/unilm beats/quantizer.py@768a3c8.
 *
 * Legend: R vectors, K codes, D width.
 */
import { ConfigError, type Rng, type Scalar, type Tensor, type Variable } from '@unlabel/core';
import { tf, withoutGradient } from '@unlabel/engine';
import { unitRows } from './info-nce.ts';

type Matrix = ReturnType<typeof tf.tensor2d>;

/** Index of the code with the largest cosine (of unit vectors: the nearest) [R], int32; the first of equals. z [R, D], codebook [K, D] of unit rows */
export const nearestCodes = (z: Tensor, codebook: Tensor): Tensor =>
  tf.argMax(tf.matMul(z as Matrix, codebook as Matrix, false, true), 1);

export interface Quantized {
  /** z/‖z‖ [R, D]. */
  readonly unit: Tensor;
  /** [R], int32. */
  readonly labels: Tensor;
  /** The codes [R, D], whose gradient goes straight to `unit`. */
  readonly codes: Tensor;
  /** Mean over all elements of (sg(code) − unit)²: 1/D of the squared norm that the BEATs paper (§3.2) writes. */
  readonly commitment: Scalar;
}

/** Codes of z [R, D], the value of the code with the gradient of z/‖z‖. */
export function quantize(z: Tensor, codebook: Tensor): Quantized {
  const unit = unitRows(z);
  const { labels, chosen } = withoutGradient(() => {
    const found = nearestCodes(unit, codebook);
    return { labels: found, chosen: tf.gather(codebook, found) };
  });
  return {
    unit,
    labels,
    codes: straightThrough(unit, chosen),
    commitment: tf.mean(tf.squaredDifference(chosen, unit)),
  };
}

/** The value of `to`, the gradient of `from`. */
function straightThrough(from: Tensor, to: Tensor): Tensor {
  const run = tf.customGrad(() => ({ value: tf.clone(to), gradFunc: (dy: Tensor) => tf.clone(dy) }));
  return run(from);
}

export interface CodebookUpdate {
  /** [K, D] of unit rows. */
  readonly codebook: Variable;
  /** Moving average of how many vectors a code gets [K]. */
  readonly clusterSize: Variable;
  /** Unit vectors [R, D] and their codes [R] of a batch. */
  readonly unit: Tensor;
  readonly labels: Tensor;
  /** Share of the old value that stays. */
  readonly decay: number;
}

/** Each code that was used moves towards the direction of the mean of its vectors and back to unit length; the others stay. */
export function updateCodebook({ codebook, clusterSize, unit, labels, decay }: CodebookUpdate): void {
  if (!(decay >= 0 && decay <= 1)) throw new ConfigError(`updateCodebook: decay ${decay} is outside 0…1`);
  tf.tidy(() => {
    const { counts, means } = clusterMeans(unit, labels, codebook);
    clusterSize.assign(tf.add(tf.mul(clusterSize, decay), tf.mul(counts, 1 - decay)));
    const moved: Tensor = tf.add(tf.mul(codebook, decay), tf.mul(means, 1 - decay));
    codebook.assign(unitRows(moved));
  });
}

/** How many vectors each code has [K], and the direction of their mean, `held` where there are none [K, D]. */
function clusterMeans(unit: Tensor, labels: Tensor, held: Tensor): { counts: Tensor; means: Tensor } {
  const chosen = tf.oneHot(labels, held.shape[0]!) as Matrix; // [R, K]
  const counts = tf.sum(chosen, 0);
  const sums = tf.matMul(tf.cast(chosen, 'float32'), unit as Matrix, true, false); // [K, D]
  const isUsed = tf.expandDims(tf.cast(tf.greater(counts, 0), 'float32'), 1);
  const size = tf.expandDims(tf.maximum(tf.cast(counts, 'float32'), 1), 1);
  const means = unitRows(tf.div(sums, size));
  return {
    counts: tf.cast(counts, 'float32'),
    means: tf.add(tf.mul(means, isUsed), tf.mul(held, tf.sub(1, isUsed))),
  };
}

/**
 * Lloyd's iterations with cosines, from K of the vectors (drawn with replacement where there are fewer): the first codebook.
 * unit [R, D] → codebook [K, D] of unit rows, cluster sizes [K] of the last assignment. Call inside `tf.tidy`.
 */
export function cosineKMeans(
  unit: Tensor,
  codes: number,
  rng: Rng,
  iterations = 10,
): { codebook: Tensor; counts: Tensor } {
  const vectors = unit.shape[0]!;
  const first =
    vectors >= codes
      ? Int32Array.from(rng.permutation(vectors).subarray(0, codes))
      : Int32Array.from({ length: codes }, () => rng.int(vectors));
  let codebook = tf.gather(unit, tf.tensor1d(first, 'int32'));
  let counts: Tensor = tf.zeros([codes]);
  for (let i = 0; i < iterations; i++) {
    const previous = [codebook, counts];
    const next = tf.tidy(() => clusterMeans(unit, nearestCodes(unit, codebook), codebook));
    tf.dispose(previous);
    ({ means: codebook, counts } = next);
  }
  return { codebook, counts };
}

export interface CodebookHealth {
  /** Share of the codes that a batch uses. */
  readonly usage: Scalar;
  /** e to the entropy of the batch's codes: how many it would be if all were used alike. */
  readonly perplexity: Scalar;
}

/** labels [R], int32 */
export function codebookHealth(labels: Tensor, codes: number): CodebookHealth {
  const counts = tf.cast(tf.sum(tf.oneHot(labels, codes), 0), 'float32');
  const p = tf.div(counts, labels.shape[0]!);
  const entropy = tf.neg(tf.sum(tf.mul(p, tf.log(tf.maximum(p, 1e-30)))));
  return {
    usage: tf.mean(tf.cast(tf.greater(counts, 0), 'float32')) as Scalar,
    perplexity: tf.exp(entropy) as Scalar,
  };
}

/** Share of codes whose moving average is below a hundredth of an even share. */
export const deadCodes = (clusterSize: Tensor): Scalar =>
  tf.mean(tf.cast(tf.less(clusterSize, tf.mul(tf.mean(clusterSize), 0.01)), 'float32')) as Scalar;
