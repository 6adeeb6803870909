/**
 * Bucketed relative position bias: Raffel et al. (T5), arXiv 1910.10683v4 §2.1, in its bidirectional form, as
 * microsoft/unilm beats/backbone.py@768a3c8 and wavlm compute it (there with 320 buckets up to a distance of 800).
 *
 * Legend: N tokens, H heads, K buckets, d = key − query.
 */
import { ConfigError, type Params, type Rng, type Tensor } from '@unlabel/core';
import { init, parameter, tf } from '@unlabel/engine';

export interface RelativeBiasOptions {
  readonly heads: number;
  /** K, half for either sign of d. */
  readonly buckets: number;
  /** Distances from here on share the last bucket. */
  readonly maxDistance: number;
}

/**
 * Bucket of a distance d: sign first (keys behind the query have the upper half), then one bucket a step up to K/4, then logarithmic.
 * In float32, as torch: which distance starts a bucket hangs on how the logarithm rounds.
 */
export function relativeBucket(distance: number, buckets: number, maxDistance: number): number {
  const half = buckets / 2;
  const exact = Math.floor(half / 2);
  const n = Math.abs(distance);
  const offset = distance > 0 ? half : 0;
  if (n < exact) return offset + n;
  const { fround, log, trunc } = Math;
  const share = fround(fround(log(fround(n / exact))) / fround(log(maxDistance / exact)));
  return offset + Math.min(half - 1, exact + trunc(fround(share * (half - exact))));
}

export interface RelativeBias {
  /** `weight` [K, H]. */
  readonly params: Params;
  /** Bias of each query and key [H, N, N]; differentiable. Call inside `tf.tidy`. */
  forward(tokens: number): Tensor;
}

/** The table, drawn from N(0, 0.02²). */
export function relativeBias({ heads, buckets, maxDistance }: RelativeBiasOptions, rng: Rng): RelativeBias {
  if (buckets % 4 !== 0 || maxDistance <= buckets / 4)
    throw new ConfigError(
      `relativeBias: ${buckets} buckets up to ${maxDistance}; expected a multiple of 4 and a distance above a quarter of it`,
    );
  const table = parameter(init.normal([buckets, heads], 0.02, rng.fork('weight')));
  return {
    params: new Map([['weight', table]]),
    forward(tokens) {
      const distances = 2 * tokens - 1;
      const chosen = new Float32Array(distances * buckets);
      for (let i = 0; i < distances; i++)
        chosen[i * buckets + relativeBucket(i - tokens + 1, buckets, maxDistance)] = 1;
      const byDistance = tf.matMul(table as ReturnType<typeof tf.tensor2d>, tf.tensor2d(chosen, [distances, buckets]), true, true); // prettier-ignore
      return toeplitz(byDistance, tokens);
    },
  };
}

/** One value a distance [H, 2N − 1] (from −(N − 1)) → [H, N, N] whose row q, column k has that of k − q. */
function toeplitz(byDistance: Tensor, tokens: number): Tensor {
  const heads = byDistance.shape[0]!;
  // rows one longer than the distances, read back with their length: each row starts one distance earlier
  const padded = tf.pad(byDistance, [[0, 0], [0, 1]]); // prettier-ignore
  const many = tf.reshape(tf.tile(tf.reshape(padded, [heads, 1, 2 * tokens]), [1, tokens, 1]), [heads, -1]);
  const shifted = tf.reshape(tf.slice(many, [0, 0], [heads, tokens * (2 * tokens - 1)]), [heads, tokens, -1]);
  return tf.slice(shifted, [0, 0, tokens - 1], [heads, tokens, tokens]);
}
