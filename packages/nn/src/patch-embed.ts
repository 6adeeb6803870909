/** Patches as tokens: Dosovitskiy et al., arXiv 2010.11929v2, Eq. 1. */
import { ConfigError, type Params, type Rng, type Tensor } from '@unlabel/core';
import { asTensor4D, init, parameter, tf } from '@unlabel/engine';

export interface PatchEmbedOptions {
  /** Height and width of a patch. */
  readonly patch: readonly [number, number];
  readonly channels: number;
  readonly width: number;
  /** Default true. */
  readonly hasBias?: boolean;
}

export interface PatchEmbed {
  readonly params: Params;
  /** x [B, H, W, I] → map [B, H/p, W/q, D]; rows and columns beyond the last whole patch are left out, as torch's convolution does. */
  forward(x: Tensor): Tensor;
}

/** A convolution whose stride is its kernel; parameters `weight` [D, I, p, q] and `bias`. */
export function patchEmbed(
  { patch: [p, q], channels, width, hasBias = true }: PatchEmbedOptions,
  rng: Rng,
): PatchEmbed {
  const shape = [width, channels, p, q];
  const weight = parameter(init.kaimingUniform(shape, rng.fork('weight')), { layout: 'conv2d' });
  const bias = hasBias ? parameter(init.defaultBias(shape, rng.fork('bias'))) : undefined;
  return {
    params: new Map([['weight', weight], ...(bias ? [['bias', bias] as const] : [])]),
    forward(x) {
      const [, h = 0, w = 0, found] = x.shape;
      if (x.rank !== 4 || found !== channels || h < p || w < q) {
        const wanted = `[rows, ${p} or more, ${q} or more, ${channels}]`;
        throw new ConfigError(`patchEmbed: input is [${x.shape.join(', ')}]; expected ${wanted}`);
      }
      const y = tf.conv2d(asTensor4D(x, 'patchEmbed'), asTensor4D(weight, 'patchEmbed'), [p, q], 'valid');
      return bias ? tf.add(y, bias) : y;
    },
  };
}
