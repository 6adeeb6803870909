/**
 * Group normalisation: Wu and He, "Group Normalization", ECCV 2018, arXiv 1803.08494v3; torch's conventions (biased variance, eps
 * inside the root, gain and offset of each channel).
 *
 * Legend: B rows, C channels, G groups.
 */
import { ConfigError } from '@unlabel/core';
import { init, parameter, tf } from '@unlabel/engine';
import type { Layer } from './layer.ts';

/** x […, C] → same shape: each row's values of C/G neighbouring channels have mean 0 and variance 1. Parameters [C]. */
export function groupNorm(width: number, groups: number, eps = 1e-5): Layer {
  if (width % groups !== 0) throw new ConfigError(`groupNorm: ${width} channels cannot be cut into ${groups} groups`);
  const weight = parameter(init.ones([width]));
  const bias = parameter(init.zeros([width]));
  return {
    params: new Map([['weight', weight], ['bias', bias]]), // prettier-ignore
    forward(x) {
      const grouped = tf.reshape(x, [x.shape[0]!, -1, groups, width / groups]); // [B, H·W, G, C/G]
      const centered = tf.sub(grouped, tf.mean(grouped, [1, 3], true));
      const variance = tf.mean(tf.square(centered), [1, 3], true);
      const normal = tf.reshape(tf.mul(centered, tf.rsqrt(tf.add(variance, eps))), x.shape);
      return tf.add(tf.mul(normal, weight), bias);
    },
  };
}
