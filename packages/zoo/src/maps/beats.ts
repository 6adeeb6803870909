/** BEATs (microsoft/unilm beats@768a3c8; beats.md §3–5): pre-trained and fine-tuned models, and the tokenizers on the same encoder. */
import { frontEnds } from '@unlabel/audio';
import { parseConfig } from '@unlabel/core';
import { encoderActivations } from '@unlabel/nn';
import { z } from 'zod';
import { countLayers, shapeList, sizeAt, type KeyMap, type ShapeList, type Shapes } from './key-map.ts';

const has = (shapes: Shapes, suffix: string): boolean => shapes.has(`encoder.layers.0.${suffix}`);

/** The weight of the position convolution, or its direction where the weight norm is kept. */
const convolutionOf = (shapes: Shapes): string =>
  shapes.has('encoder.pos_conv.0.weight_v') ? 'encoder.pos_conv.0.weight_v' : 'encoder.pos_conv.0.weight';

export function encoderConfig(shapes: Shapes): Record<string, unknown> {
  const width = sizeAt(shapes, 'encoder.layers.0.fc1.weight', 1);
  return {
    layers: countLayers(shapes, 'encoder.layers'),
    width,
    hidden: sizeAt(shapes, 'encoder.layers.0.fc1.weight', 0),
    positionKernel: sizeAt(shapes, convolutionOf(shapes), 2),
    positionGroups: width / Math.max(1, sizeAt(shapes, convolutionOf(shapes), 1)),
    buckets: sizeAt(shapes, 'encoder.layers.0.self_attn.relative_attention_bias.weight', 0),
    heads: has(shapes, 'self_attn.grep_a')
      ? sizeAt(shapes, 'encoder.layers.0.self_attn.grep_a', 1)
      : sizeAt(shapes, 'encoder.layers.0.self_attn.relative_attention_bias.weight', 1),
    isGated: has(shapes, 'self_attn.grep_a'),
  };
}

interface EncoderConfig {
  readonly layers: number;
  readonly width: number;
  readonly hidden: number;
  readonly positionKernel: number;
  readonly positionGroups: number;
  readonly buckets: number;
  readonly heads: number;
  readonly isGated: boolean;
}

/** The encoder that BEATs and WavLM share, in fairseq's names. `weightNorm`: of the position convolution, folded or kept. */
export function encoderShapes(list: ShapeList, config: EncoderConfig, weightNorm: 'folded' | 'kept' = 'folded'): void {
  const { layers, width, hidden, positionKernel, positionGroups, buckets, heads, isGated } = config;
  if (weightNorm === 'folded') list.conv('encoder.pos_conv.0', width, width / positionGroups, [positionKernel], true);
  else {
    list.tensor('encoder.pos_conv.0.bias', width);
    list.tensor('encoder.pos_conv.0.weight_g', 1, 1, positionKernel);
    list.tensor('encoder.pos_conv.0.weight_v', width, width / positionGroups, positionKernel);
  }
  for (let i = 0; i < layers; i++) {
    const layer = `encoder.layers.${i}`;
    if (isGated) {
      list.tensor(`${layer}.self_attn.grep_a`, 1, heads, 1, 1);
      list.linear(`${layer}.self_attn.grep_linear`, 8, width / heads);
    }
    if (buckets > 0 && i === 0) list.tensor(`${layer}.self_attn.relative_attention_bias.weight`, buckets, heads);
    for (const name of ['q_proj', 'k_proj', 'v_proj', 'out_proj'])
      list.linear(`${layer}.self_attn.${name}`, width, width);
    list.norm(`${layer}.self_attn_layer_norm`, width);
    list.linear(`${layer}.fc1`, hidden, width);
    list.linear(`${layer}.fc2`, width, hidden);
    list.norm(`${layer}.final_layer_norm`, width);
  }
  list.norm('encoder.layer_norm', width);
}

/** Every layer of a file names the one table of layer 0. */
export const tiedBias = [
  /^encoder\.layers\.[1-9]\d*\.self_attn\.relative_attention_bias\.weight$/,
  'the table of layer 0 again',
] as const;

const patch = 'patch_embedding.weight';

function beatsShapes(config: Readonly<Record<string, unknown>>): ShapeList {
  const { patchWidth, patchSize, convBias, width, classes } = config as {
    patchWidth: number;
    patchSize: number;
    convBias: boolean;
    width: number;
    classes: number;
  };
  const list = shapeList();
  list.conv('patch_embedding', patchWidth, 1, [patchSize, patchSize], convBias);
  list.norm('layer_norm', patchWidth);
  if (patchWidth !== width) list.linear('post_extract_proj', width, patchWidth);
  encoderShapes(list, config as unknown as EncoderConfig, 'kept'); // from `encoderConfig`
  if (classes > 0) list.linear('predictor', classes, width);
  return list;
}

const rate = z.number().min(0).lt(1);

/** What names and shapes do not tell, with the defaults of the authors' class. */
const cfgSchema = z.looseObject({
  encoder_attention_heads: z.int().positive().default(12),
  activation_fn: z.enum(encoderActivations).default('gelu'),
  layer_norm_first: z.boolean().default(false),
  deep_norm: z.boolean().default(false),
  max_distance: z.int().positive().default(1280),
  dropout: rate.default(0.1),
  attention_dropout: rate.default(0.1),
  activation_dropout: rate.default(0),
  dropout_input: rate.default(0),
  encoder_layerdrop: rate.default(0),
  layer_wise_gradient_decay_ratio: z.number().min(0).max(1).default(1),
});

/** Of all released models. */
const released = { deep_norm: true, max_distance: 800, dropout_input: 0.1, encoder_layerdrop: 0.05 };

/** A file's `cfg`; one that has none (weights alone, converted) is taken for a released model. */
function cfgOf(root: unknown): z.output<typeof cfgSchema> {
  const held: unknown = root instanceof Map ? root.get('cfg') : undefined;
  return parseConfig(cfgSchema, held instanceof Map ? Object.fromEntries(held) : released, 'BEATs checkpoint: cfg');
}

function beatsConfig(shapes: Shapes, root?: unknown): Record<string, unknown> {
  const cfg = cfgOf(root);
  const found = encoderConfig(shapes);
  return {
    patchWidth: sizeAt(shapes, patch, 0),
    patchSize: sizeAt(shapes, patch, 2),
    convBias: shapes.has('patch_embedding.bias'),
    ...found,
    heads: Number(found['heads']) || cfg.encoder_attention_heads,
    maxDistance: cfg.max_distance,
    deepNorm: cfg.deep_norm,
    normFirst: cfg.layer_norm_first,
    activation: cfg.activation_fn,
    dropout: cfg.dropout,
    attentionDropout: cfg.attention_dropout,
    activationDropout: cfg.activation_dropout,
    inputDropout: cfg.dropout_input,
    layerDrop: cfg.encoder_layerdrop,
    layerGradient: cfg.layer_wise_gradient_decay_ratio,
    classes: sizeAt(shapes, 'predictor.weight', 0),
  };
}

const input = { modality: 'audio', sampleRate: 16000, frontEnd: { ...frontEnds.beats } };

export const beats: KeyMap = {
  id: 'beats',
  title: 'BEATs, pre-trained and fine-tuned',
  source: 'microsoft/unilm beats/BEATs.py@768a3c8',
  family: 'beats',
  parts: { network: ['model.', ''] },
  signature: [/^patch_embedding\.weight$/, /^encoder\.pos_conv\.0\.weight$/, /^encoder\.layers\.0\.fc1\.weight$/],
  leftOut: [tiedBias],
  keepsWeightNorm: true,
  configOf: beatsConfig,
  expected: (config) => beatsShapes(config).shapes,
  input,
};

export const beatsTokenizer: KeyMap = {
  ...beats,
  id: 'beats-tokenizer',
  title: 'BEATs tokenizers',
  source: 'microsoft/unilm beats/Tokenizers.py@768a3c8',
  family: 'beats-tokenizer',
  signature: [...beats.signature, /^quantize\.embedding\.weight$/],
  leftOut: [
    tiedBias,
    [/^quantize\.(cluster_size|embedding\.(cluster_size|embed_avg|initted))$/, 'usage statistics of the codebook'],
  ],
  configOf: (shapes, root) => ({
    ...beatsConfig(shapes, root),
    codes: sizeAt(shapes, 'quantize.embedding.weight', 0),
    codeWidth: sizeAt(shapes, 'quantize.embedding.weight', 1),
  }),
  expected(config) {
    const { codes, codeWidth, width } = config as { codes: number; codeWidth: number; width: number };
    const list = beatsShapes(config);
    list.linear('quantize_layer.0', width, width);
    list.linear('quantize_layer.2', codeWidth, width);
    list.tensor('quantize.embedding.weight', codes, codeWidth);
    return list.shapes;
  },
};
