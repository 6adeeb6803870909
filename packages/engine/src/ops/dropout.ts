/** Dropout (Srivastava et al., JMLR 2014), scaled at training time, whose mask is a hash of a seed and the element's index. */
import { ConfigError, fmix32, type Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { defineGradient, hasKernel, runKernel } from './kernel.ts';

defineGradient({
  kernel: 'SeededDropout',
  inputs: ['seed'],
  gradient: ([dy], [seed], attrs) => ({
    x: () => runKernel('SeededDropout', { x: dy!, seed: seed! }, attrs)[0]!,
    seed: () => tf.zerosLike(seed!),
  }),
});

/**
 * Zeroes each element of x with probability `rate` and divides the others by 1 − rate. The same mask for the same seed on every
 * engine and any number of threads.
 * @param rate in [0, 1)
 * @param seed integer in 0…2³²−1, drawn anew for each use
 */
export function dropout(x: Tensor, rate: number, seed: number): Tensor {
  if (!(rate >= 0 && rate < 1)) throw new ConfigError(`dropout: rate ${rate} is outside 0…1 (1 excluded)`);
  if (rate === 0) return tf.clone(x);
  return tf.tidy(() => {
    if (!hasKernel('SeededDropout')) return tf.mul(x, tf.tensor(dropoutMask(x.size, rate, seed), x.shape));
    return runKernel('SeededDropout', { x, seed: dropoutSeed(rate, seed) }, { scale: 1 / (1 - rate) })[0]!;
  });
}

/** Seed and limit as the kernels take them [2]: both are unsigned there. */
export const dropoutSeed = (rate: number, seed: number): Tensor => tf.tensor1d([seed | 0, limitOf(rate) | 0], 'int32');

/** Hashes below it are dropped. */
const limitOf = (rate: number): number => Math.min(Math.round(rate * 4294967296), 4294967295);

/** 0 with probability `rate`, else 1/(1 − rate), for n elements. */
export function dropoutMask(n: number, rate: number, seed: number): Float32Array {
  const mask = new Float32Array(n);
  const limit = limitOf(rate);
  const keep = 1 / (1 - rate);
  const base = fmix32(seed);
  for (let i = 0; i < n; i++) if (fmix32(base + Math.imul(i, 0x9e3779b9)) >= limit) mask[i] = keep;
  return mask;
}
