/**
 * The Transformer encoder of BEATs: convolutional positions, layers with DeepNorm, one relative position bias for all of them.
 * microsoft/unilm beats/backbone.py@768a3c8 (Chen et al., arXiv 2212.09058v1). It acts on any sequence of tokens, the visible ones
 * of masked training too.
 *
 * Legend: B rows, N tokens, D width.
 */
import { z } from 'zod';
import type { Params, Rng, Tensor } from '@unlabel/core';
import { mergeParams, prefixed, tf, withoutGradient } from '@unlabel/engine';
import {
  deepNormScale,
  dropout,
  encoderActivations,
  encoderLayer,
  forked,
  gatedAttention,
  layerNorm,
  layerRuns,
  positionConv,
  projectedAttention,
  relativeBias,
  type GatedAttention,
  type LayerOptions,
} from '@unlabel/nn';
import { initEncoderLayer } from './beats-init.ts';

const rate = z.number().min(0).lt(1);

/** The released values are the defaults. */
export const beatsEncoderFields = {
  layers: z.int().min(1).max(64).default(12).meta({ symbol: 'L' }),
  width: z.int().min(2).max(4096).default(768).meta({ symbol: 'D' }),
  /** Of the feed-forward. */
  hidden: z.int().min(1).max(16384).default(3072),
  heads: z.int().min(1).max(64).default(12),
  /** Taps of the convolution of positions. */
  positionKernel: z.int().min(1).max(1024).default(128),
  positionGroups: z.int().min(1).max(1024).default(16),
  /** Buckets of the relative position bias; 0 for none. */
  buckets: z.int().min(0).max(4096).default(320),
  maxDistance: z.int().min(1).max(65536).default(800),
  /** Each query scales the bias. */
  isGated: z.boolean().default(true),
  /** Scaled shortcuts and first weights by depth. */
  deepNorm: z.boolean().default(true),
  /** Normalised before attention and feed-forward, and once at the end; never in the released models. */
  normFirst: z.boolean().default(false),
  activation: z.enum(encoderActivations).default('gelu'),
  dropout: rate.default(0.1),
  attentionDropout: rate.default(0.1),
  activationDropout: rate.default(0),
  /** Rate at which a layer is left out of a training step. */
  layerDrop: rate.default(0.05),
  /** Each layer's gradient reaches the one below times this; 0.6 when fine-tuning. */
  layerGradient: z.number().min(0).max(1).default(1),
};
const schema = z.strictObject(beatsEncoderFields);
export type BeatsEncoderConfig = z.output<typeof schema>;

export interface EncodeOptions extends LayerOptions {
  /** True (1) where a token is padding [B, N]. */
  readonly padding?: Tensor | undefined;
}

/** Everything a pass computed, [B, N, D] each. */
export interface EncoderTrace {
  /** What the convolution of positions adds. */
  readonly positions: Tensor;
  /** What the first layer sees: with positions, normalised unless `normFirst`. */
  readonly embedded: Tensor;
  readonly layers: readonly Tensor[];
  readonly tokens: Tensor;
}

export interface BeatsEncoder {
  /** `pos_conv.0.…`, `layers.0.…`, `layer_norm.…` */
  readonly params: Params;
  /** x [B, N, D] → [B, N, D]. Call inside `tf.tidy`. */
  forward(x: Tensor, options: EncodeOptions): Tensor;
  trace(x: Tensor, options: EncodeOptions): EncoderTrace;
  /** The bias before its gate [H, N, N]. */
  bias(tokens: number): Tensor;
  /** What layer i multiplies the bias with [B, H, N, 1]. */
  gate(i: number, x: Tensor): Tensor;
}

export function beatsEncoder(config: BeatsEncoderConfig, rng: Rng): BeatsEncoder {
  const { layers: depth, width, heads, buckets, maxDistance, normFirst, deepNorm } = config;
  const convolution = positionConv(
    { width, kernel: config.positionKernel, groups: config.positionGroups },
    rng.fork('pos_conv.0'),
  );
  const norm = layerNorm(width);
  const drop = dropout(config.dropout);
  const table = buckets > 0 ? relativeBias({ heads, buckets, maxDistance }, rng.fork('relative')) : undefined;
  const attentions = Array.from({ length: depth }, (_, i) => {
    const build = config.isGated ? gatedAttention : projectedAttention;
    return build({ width, heads, dropout: config.attentionDropout }, rng.fork(`layers.${i}.self_attn`));
  });
  const layers = attentions.map((attention, i) => {
    const draws = rng.fork(`layers.${i}`);
    const layer = encoderLayer(
      { ...config, attention, shortcutScale: deepNorm && !normFirst ? deepNormScale(depth) : 1 },
      draws,
    );
    initEncoderLayer(layer.params, depth, deepNorm, draws.fork('first'));
    return layer;
  });

  const trace = (x: Tensor, options: EncodeOptions): EncoderTrace => {
    const { padding } = options;
    const held = padding ? tf.mul(x, tf.expandDims(tf.sub(1, tf.cast(padding, 'float32')), 2)) : x;
    const positions = tf.tidy(() => convolution.forward(held, options));
    const added = tf.add(held, positions);
    const embedded = normFirst ? added : norm.forward(added, options);
    const bias = table?.forward(x.shape[1]!);
    let h = drop.forward(embedded, forked(options, 'dropout'));
    const outputs = layers.map((layer, i) => {
      const call = { ...forked(options, `layers.${i}`), bias, padding };
      // what a layer makes on its way is freed with it, but for what its gradient needs
      return (h = tf.tidy(() => {
        const input = config.layerGradient === 1 ? h : scaleGradient(h, config.layerGradient);
        return layerRuns(config.layerDrop, forked(call, 'drop')) ? layer.forward(input, call) : tf.clone(input);
      }));
    });
    return { positions, embedded, layers: outputs, tokens: normFirst ? norm.forward(h, options) : h };
  };

  return {
    params: mergeParams(
      prefixed('pos_conv.0', convolution.params),
      ...layers.map((layer, i) => prefixed(`layers.${i}`, layer.params)),
      table ? prefixed('layers.0.self_attn.relative_attention_bias', table.params) : new Map(),
      prefixed('layer_norm', norm.params),
    ),
    trace,
    forward: (x, options) => trace(x, options).tokens,
    bias: (tokens) => (table ? table.forward(tokens) : tf.zeros([heads, tokens, tokens])),
    gate: (i, x) => withoutGradient(() => (attentions[i] as GatedAttention).gate(x)),
  };
}

/** x, whose gradient is multiplied by `factor`. */
function scaleGradient(x: Tensor, factor: number): Tensor {
  const run = tf.customGrad((h) => ({
    value: tf.clone(h as Tensor),
    gradFunc: (dy: Tensor) => tf.mul(dy, factor),
  }));
  return run(x);
}
