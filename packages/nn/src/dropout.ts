/** Dropout: Srivastava et al., JMLR 2014, scaled at training time. */
import { ConfigError, fmix32 } from '@unlabel/core';
import { tf } from '@unlabel/engine';
import { stateless, type Layer } from './layer.ts';

/** Zeroes each element with probability `rate` when training and divides the others by 1 − rate. */
export function dropout(rate: number): Layer {
  if (!(rate >= 0 && rate < 1)) throw new ConfigError(`dropout: rate ${rate} is outside 0…1`);
  return stateless((x, { training, rng }) => {
    if (!training || rate === 0) return x;
    if (!rng) throw new ConfigError('dropout: training needs a random generator (options.rng)');
    return tf.mul(x, tf.tensor(dropoutMask(x.size, rate, rng.int(2 ** 32)), x.shape));
  });
}

/**
 * 0 with probability `rate`, else 1/(1 − rate), for n elements: a hash of (seed, element), because a mask has millions of elements
 * and must not depend on the engine.
 */
export function dropoutMask(n: number, rate: number, seed: number): Float32Array {
  const mask = new Float32Array(n);
  const limit = Math.round(rate * 4294967296);
  const keep = 1 / (1 - rate);
  const base = fmix32(seed);
  for (let i = 0; i < n; i++) if (fmix32(base + Math.imul(i, 0x9e3779b9)) >= limit) mask[i] = keep;
  return mask;
}
