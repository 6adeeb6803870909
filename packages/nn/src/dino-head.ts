/**
 * Projector of DINO: Caron et al., arXiv 2104.14294v2, App. C: linear layers with GELU, length 1, prototypes of length g. Names and
 * structure as facebookresearch/dino vision_transformer.py DINOHead@7c446df5.
 */
import { type Params, type Rng, type Tensor } from '@unlabel/core';
import { init, mergeParams, prefixed, tf } from '@unlabel/engine';
import { batchNorm } from './batch-norm.ts';
import { geluLayer } from './gelu.ts';
import { sequential, type Layer, type LayerOptions } from './layer.ts';
import { linear } from './linear.ts';
import { weightNormLinear } from './weight-norm.ts';

export interface DinoHeadOptions {
  readonly inputs: number;
  /** Number of prototypes. Default 65536. */
  readonly outputs?: number;
  /** Default 2048. */
  readonly hidden?: number;
  /** Default 256. */
  readonly bottleneck?: number;
  /** Linear layers before the prototypes. Default 3. */
  readonly layers?: number;
  /** Batch normalisation before each GELU. Default false. */
  readonly hasNorm?: boolean;
  /** Whether the prototypes' lengths move; DINO fixes them for its ViTs (`norm_last_layer`). Default false. */
  readonly trainsLength?: boolean;
}

export interface DinoHead {
  readonly params: Params;
  /** x [B, inputs] → [B, outputs] */
  forward(x: Tensor, options: LayerOptions): Tensor;
  /** Before the prototypes, of length 1. [B, bottleneck] */
  bottleneck(x: Tensor, options: LayerOptions): Tensor;
}

export function dinoHead(options: DinoHeadOptions, rng: Rng): DinoHead {
  const { inputs, outputs = 65536, hidden = 2048, bottleneck: narrow = 256, layers = 3, hasNorm = false } = options;
  const parts: Layer[] = [];
  for (let i = 0; i < layers; i++) {
    const isLast = i === layers - 1;
    const fan = [i === 0 ? inputs : hidden, isLast ? narrow : hidden] as const;
    const layer = linear(...fan, rng.fork(`mlp.${parts.length}`));
    // timm's start: normal, deviation 0.02, cut at ±2; biases 0
    tf.tidy(() => {
      const draws = rng.fork(`mlp.${parts.length}.weight`);
      layer.params
        .get('weight')!
        .assign(tf.tensor2d(init.truncNormal([fan[1], fan[0]], 0.02, draws).data, [fan[1], fan[0]]));
      layer.params.get('bias')!.assign(tf.zeros([fan[1]]));
    });
    parts.push(layer);
    if (isLast) break;
    if (hasNorm) parts.push(batchNorm(hidden));
    parts.push(geluLayer());
  }
  const mlp = sequential(parts);
  const last = weightNormLinear(narrow, outputs, rng.fork('last_layer'), {
    trainsMagnitude: options.trainsLength ?? false,
  });
  const bottleneck = (x: Tensor, call: LayerOptions): Tensor => {
    const h = mlp.forward(x, call);
    // torch's normalize: the length, 1e-12 at least
    return tf.div(h, tf.maximum(tf.norm(h, 2, -1, true), 1e-12));
  };
  return {
    params: mergeParams(prefixed('mlp', mlp.params), prefixed('last_layer', last.params)),
    bottleneck,
    forward: (x, call) => last.forward(bottleneck(x, call), call),
  };
}
