/**
 * The tokenizer of iteration 1: a random projection of each patch and the nearest of random codes, both frozen (BEATs §3.2; BEST-RQ, Chiu
 * et al., arXiv 2202.01855v2). The paper leaves the distributions open; these are OpenBEATs': patches through a Xavier-normal
 * convolution, normalised, through a Xavier-normal matrix, normalised, beside standard-normal codes.
 *
 * Legend: B rows, N patches, E patch width, C code width, K codes.
 */
import type { NdArray, Params, Rng, Tensor } from '@unlabel/core';
import { asTensor4D, dense, init, parameter, tf } from '@unlabel/engine';
import { normalizeLast } from '@unlabel/nn';

/** Gives each patch of bands a code. */
export interface Tokenizer {
  /** K. */
  readonly codes: number;
  /** x [B, F, T] → [B, N], int32, frequency fastest. Call inside `tf.tidy`. */
  labels(x: Tensor): Tensor;
}

export interface RandomProjection extends Tokenizer {
  /** `patch` [E, 1, p, p], `projection` [C, E], `codebook` [K, C]: buffers, kept with the run. */
  readonly params: Params;
}

export interface RandomProjectionOptions {
  /** p. */
  readonly patchSize: number;
  /** E, 512 in OpenBEATs. */
  readonly patchWidth: number;
  /** K and C: 1024 and 256 in the paper. */
  readonly codes: number;
  readonly codeWidth: number;
  /** Share of each patch's mean that the projection does not see, 0…1; default 0. */
  readonly centering?: number;
}

export function randomProjection(
  { patchSize, patchWidth, codes, codeWidth, centering = 0 }: RandomProjectionOptions,
  rng: Rng,
): RandomProjection {
  const fixed = { trainable: false } as const;
  const drawn = init.xavierNormal([patchWidth, 1, patchSize, patchSize], rng.fork('patch'));
  const patch = parameter(centered(drawn, centering), { ...fixed, layout: 'conv2d' });
  const projection = parameter(init.xavierNormal([codeWidth, patchWidth], rng.fork('projection')), fixed);
  const codebook = parameter(init.normal([codes, codeWidth], 1, rng.fork('codebook')), fixed);
  const normed = (x: Tensor): Tensor => {
    const width = x.shape.at(-1)!;
    return normalizeLast(x, tf.ones([width]), tf.zeros([width]), 1e-5);
  };
  return {
    codes,
    params: new Map([['patch', patch], ['projection', projection], ['codebook', codebook]]), // prettier-ignore
    labels(x) {
      const image = asTensor4D(tf.expandDims(tf.transpose(x, [0, 2, 1]), 3), 'randomProjection');
      const map = tf.conv2d(image, asTensor4D(patch, 'randomProjection'), patchSize, 'valid'); // [B, t, f, E]
      const patches = normed(tf.reshape(map, [-1, patchWidth]));
      const vectors = normed(dense(patches, projection, undefined, { transposeKernel: true })); // [B·N, C]
      // ‖v − c‖² without ‖v‖²
      const near = tf.sub(
        tf.mul(dense(vectors, codebook, undefined, { transposeKernel: true }), 2),
        tf.sum(tf.square(codebook), 1),
      );
      return tf.reshape(tf.argMax(near, 1), [x.shape[0]!, -1]);
    },
  };
}

/** Filters [E, 1, p, p] less a share of their means: what they make of a patch less that share of the patch's mean. */
function centered({ data, shape }: NdArray, share: number): NdArray {
  if (share === 0) return { data, shape };
  const size = data.length / shape[0]!;
  const out = Float32Array.from(data);
  for (let first = 0; first < out.length; first += size) {
    const filter = out.subarray(first, first + size);
    const mean = filter.reduce((sum, value) => sum + value, 0) / size;
    filter.forEach((value, i) => (filter[i] = value - share * mean));
  }
  return { data: out, shape };
}
