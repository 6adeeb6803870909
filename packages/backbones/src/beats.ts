/**
 * BEATs: patches of a log-mel spectrogram through a Transformer. Chen et al., "BEATs: Audio Pre-Training with Acoustic Tokenizers",
 * ICML 2023, arXiv 2212.09058v1. Structure and names as microsoft/unilm beats/BEATs.py@768a3c8 (MIT); written from a description.
 *
 * Legend: B rows, F mel bands, T frames, p patch, t = ⌊T/p⌋, f = F/p, N = t·f tokens (frequency fastest), E patch width, D width.
 */
import { z } from 'zod';
import {
  ConfigError,
  parseConfig,
  type Backbone,
  type BackboneFamily,
  type Features,
  type ForwardOptions,
  type Params,
  type Rng,
  type Tensor,
} from '@unlabel/core';
import { copyParams, mergeParams, prefixed, tf } from '@unlabel/engine';
import { dropout, forked, layerNorm, linear, patchEmbed, type LayerOptions } from '@unlabel/nn';
import { beatsEncoder, beatsEncoderFields, type BeatsEncoder, type EncoderTrace } from './beats-encoder.ts';

export const beatsFields = {
  ...beatsEncoderFields,
  /** F: mel bands of the input. */
  bands: z.int().min(1).max(1024).default(128).meta({ symbol: 'F' }),
  /** p: frames and bands on a side of a patch. */
  patchSize: z.int().min(1).max(128).default(16).meta({ symbol: 'p' }),
  /** Width of a patch before it is projected to the encoder's. */
  patchWidth: z.int().min(1).max(4096).default(512).meta({ symbol: 'E' }),
  convBias: z.boolean().default(false),
  /** Of the projected patches. */
  inputDropout: z.number().min(0).lt(1).default(0.1),
  /** Outputs of the classifier on top (fine-tuned models); 0 for none. */
  classes: z.int().min(0).max(65536).default(0),
  /** A timestamp's vector: the mean of its frequency patches, or all of them one after the other. */
  timestamps: z.enum(['mean', 'concat']).default('mean'),
  /** Embeddings are outputs of so many last layers side by side; the last alone, as the authors', unless stated. */
  embedLayers: z.int().min(1).max(64).default(1),
  /** Longer clips are embedded in windows of at most so many frames, each on its own: about what the models were trained on. */
  windowFrames: z.int().min(1).default(1024).meta({ unit: 'frames' }),
};
export const beatsConfigSchema = z.strictObject(beatsFields);
export type BeatsConfig = z.output<typeof beatsConfigSchema>;

/** Everything a pass computed. */
export interface BeatsTrace extends EncoderTrace {
  /** Output of the patches' convolution [B, t, f, E]. */
  readonly patches: Tensor;
  /** Normalised [B, N, E]. */
  readonly normed: Tensor;
  /** Projected [B, N, D]; the same when E = D. */
  readonly projected: Tensor;
  /** True where a token is padding [B, N], when lengths were given. */
  readonly padding: Tensor | undefined;
}

export interface Beats extends Backbone {
  readonly encoder: BeatsEncoder;
  /** x [B, F, T] → projected patches [B, N, D], before positions: what masked training takes its visible tokens from. */
  embed(x: Tensor, options: LayerOptions): Tensor;
  trace(x: Tensor, options: ForwardOptions): BeatsTrace;
  /** Mean logits of the valid tokens [B, N, D] → [B, classes]; there are `classes` when the config has some. */
  classify(tokens: Tensor, padding?: Tensor): Tensor;
  /** Logits of each token [B, N, D] → [B, N, classes]. */
  tokenLogits(tokens: Tensor): Tensor;
  clone(): Beats;
}

/**
 * `clip` is the mean of the valid tokens, of the last n = `embedLayers` layers side by side [B, n·D]; maps are offered by name: `layer0`,
 * `layer1`, … [B, t, f, D]; branches with a classifier: `logits` and their sigmoid `probabilities` [B, classes].
 */
export const beats: BackboneFamily = { id: 'beats', build: buildBeats };

export function buildBeats(config: Readonly<Record<string, unknown>>, rng: Rng): Beats {
  const parsed = parseConfig(beatsConfigSchema, config, 'beats');
  const { bands, patchSize, patchWidth, width, classes, timestamps, embedLayers } = parsed;
  if (embedLayers > parsed.layers)
    throw new ConfigError(`beats: embedLayers ${embedLayers} is more than there are layers, ${parsed.layers}`);
  if (bands % patchSize !== 0) throw new ConfigError(`beats: ${bands} bands are no multiple of patchSize ${patchSize}`);
  const across = bands / patchSize;
  const embedWidth = embedLayers * width;
  const embedding = patchEmbed(
    { patch: [patchSize, patchSize], channels: 1, width: patchWidth, hasBias: parsed.convBias },
    rng.fork('patch_embedding'),
  );
  const norm = layerNorm(patchWidth);
  const projection = patchWidth === width ? undefined : linear(patchWidth, width, rng.fork('post_extract_proj'));
  const drop = dropout(parsed.inputDropout);
  const encoder = beatsEncoder(parsed, rng.fork('encoder'));
  const predictor = classes > 0 ? linear(width, classes, rng.fork('predictor')) : undefined;
  const params: Params = mergeParams(
    prefixed('patch_embedding', embedding.params),
    prefixed('layer_norm', norm.params),
    projection ? prefixed('post_extract_proj', projection.params) : new Map(),
    prefixed('encoder', encoder.params),
    predictor ? prefixed('predictor', predictor.params) : new Map(),
  );

  const patchesOf = (x: Tensor): Tensor => {
    if (x.rank !== 3 || x.shape[1] !== bands || x.shape[2]! < patchSize)
      throw new ConfigError(
        `beats: input is [${x.shape.join(', ')}]; expected [rows, ${bands}, ${patchSize} frames or more]`,
      );
    return embedding.forward(tf.expandDims(tf.transpose(x, [0, 2, 1]), 3)); // [B, t, f, E]
  };
  const project = (patches: Tensor, options: LayerOptions): { normed: Tensor; projected: Tensor } => {
    const normed = norm.forward(tf.reshape(patches, [patches.shape[0]!, -1, patchWidth]), options); // [B, N, E]
    return { normed, projected: projection ? projection.forward(normed, options) : normed };
  };
  const dropped = (x: Tensor, options: LayerOptions): Tensor => drop.forward(x, forked(options, 'input'));

  const trace = (x: Tensor, options: ForwardOptions): BeatsTrace => {
    const patches = patchesOf(x);
    const { normed, projected } = project(patches, options);
    const tokens = projected.shape[1]!;
    const padding = options.lengths && tokenPadding(options.lengths, x.shape[2]!, tokens, across, patchSize);
    const encoded = encoder.trace(dropped(projected, options), { ...forked(options, 'encoder'), padding });
    return { ...encoded, patches, normed, projected, padding };
  };
  const tokenLogits = (tokens: Tensor): Tensor => {
    if (!predictor) throw new ConfigError('beats: this network has no classifier; its config has classes 0');
    return predictor.forward(tokens, { training: false });
  };
  const classify = (tokens: Tensor, padding?: Tensor): Tensor => meanOfValid(tokenLogits(tokens), padding);

  const forward = (x: Tensor, options: ForwardOptions): Features => {
    const { tokens, layers, padding } = trace(x, options);
    const asMap = (t: Tensor): Tensor => tf.reshape(t, [t.shape[0]!, -1, across, width]); // [B, t, f, D]
    const maps: Record<string, Tensor> = {};
    for (const name of options.maps ?? []) {
      const found = layers[Number(/^layer(\d+)$/.exec(name)?.[1] ?? -1)];
      if (found) maps[name] = asMap(found);
    }
    const outputs = [...layers.slice(-embedLayers, -1), tokens]; // the last behind the final norm, where there is one
    const embedded = embedLayers === 1 ? tokens : tf.concat(outputs, 2); // [B, N, n·D]
    const byTime = tf.reshape(embedded, [embedded.shape[0]!, -1, across, embedWidth]); // [B, t, f, n·D]
    const frames = timestamps === 'mean' ? tf.mean(byTime, 2) : tf.reshape(byTime, [byTime.shape[0]!, -1, across * embedWidth]); // prettier-ignore
    const logits = predictor && classify(tokens, padding);
    return {
      clip: meanOfValid(embedded, padding),
      frames,
      maps,
      ...(logits && { branches: { logits, probabilities: tf.sigmoid(logits) } }),
    };
  };

  return {
    id: 'beats',
    config: parsed,
    params,
    width: embedWidth,
    frameWidth: timestamps === 'mean' ? embedWidth : across * embedWidth,
    frameStride: patchSize,
    windowFrames: Math.max(1, Math.floor(parsed.windowFrames / patchSize)) * patchSize,
    poolFrames: (frames) => tf.mean(tf.reshape(frames, [frames.shape[0]!, -1, embedWidth]), 1),
    encoder,
    embed: (x, options) => dropped(project(patchesOf(x), options).projected, options),
    trace,
    tokenLogits,
    classify,
    forward,
    clone() {
      const copy = buildBeats(parsed, rng);
      copyParams(params, copy.params);
      return copy;
    },
  };
}

/** Mean over the tokens that are not padding [B, N, D] → [B, D]. */
function meanOfValid(tokens: Tensor, padding: Tensor | undefined): Tensor {
  if (!padding) return tf.mean(tokens, 1);
  const valid = tf.expandDims(tf.sub(1, tf.cast(padding, 'float32')), 2); // [B, N, 1]
  return tf.div(tf.sum(tf.mul(tokens, valid), 1), tf.maximum(tf.sum(valid, 1), 1));
}

/**
 * Which tokens are padding [B, N], of valid frames [B], by the authors' rule: ⌊T/N⌋ frames stand for a token, in order, and a token is valid
 * when one of its frames is (BEATs.py, `forward_padding_mask`). That is approximate: token t·f + k covers the frames of patch t, not those. Where
 * there are more tokens than frames their rule gives not-a-number; here a token is then valid when a frame of its patch is.
 */
function tokenPadding(lengths: Tensor, frames: number, tokens: number, across: number, patchSize: number): Tensor {
  const unit = Math.floor(frames / tokens);
  const firsts = Float32Array.from({ length: tokens }, (_, k) =>
    unit > 0 ? k * unit : Math.floor(k / across) * patchSize,
  );
  return tf.greaterEqual(tf.tensor2d(firsts, [1, tokens]), tf.reshape(tf.cast(lengths, 'float32'), [-1, 1]));
}

/**
 * Valid frames of a clip whose first `samples` of `total` are valid and that has so many frames, as the authors group samples: ⌊total/frames⌋
 * of them a frame, which is valid when one of them is.
 */
export const validFrames = (samples: number, total: number, frames: number): number =>
  Math.min(frames, Math.ceil(samples / Math.floor(total / frames)));
