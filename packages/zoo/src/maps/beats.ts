/** BEATs (microsoft/unilm beats@768a3c8; beats.md §3–5): pre-trained and fine-tuned models, and the tokenizers on the same encoder. */
import { countLayers, shapeList, sizeAt, type KeyMap, type ShapeList, type Shapes } from './key-map.ts';

const has = (shapes: Shapes, suffix: string): boolean => shapes.has(`encoder.layers.0.${suffix}`);

export function encoderConfig(shapes: Shapes): Record<string, unknown> {
  const width = sizeAt(shapes, 'encoder.layers.0.fc1.weight', 1);
  return {
    layers: countLayers(shapes, 'encoder.layers'),
    width,
    hidden: sizeAt(shapes, 'encoder.layers.0.fc1.weight', 0),
    positionKernel: sizeAt(shapes, 'encoder.pos_conv.0.weight', 2),
    positionGroups: width / Math.max(1, sizeAt(shapes, 'encoder.pos_conv.0.weight', 1)),
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

/** The encoder that BEATs and WavLM share, in fairseq's names; the weight norm of the position convolution is folded. */
export function encoderShapes(list: ShapeList, config: EncoderConfig): void {
  const { layers, width, hidden, positionKernel, positionGroups, buckets, heads, isGated } = config;
  list.conv('encoder.pos_conv.0', width, width / positionGroups, [positionKernel], true);
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
  const { patchWidth, patchSize, convBias, width } = config as {
    patchWidth: number;
    patchSize: number;
    convBias: boolean;
    width: number;
  };
  const list = shapeList();
  list.conv('patch_embedding', patchWidth, 1, [patchSize, patchSize], convBias);
  list.norm('layer_norm', patchWidth);
  if (patchWidth !== width) list.linear('post_extract_proj', width, patchWidth);
  encoderShapes(list, config as unknown as EncoderConfig); // from `encoderConfig`
  return list;
}

const beatsConfig = (shapes: Shapes): Record<string, unknown> => ({
  patchWidth: sizeAt(shapes, patch, 0),
  patchSize: sizeAt(shapes, patch, 2),
  convBias: shapes.has('patch_embedding.bias'),
  ...encoderConfig(shapes),
});

const input = { modality: 'audio', sampleRate: 16000 };

export const beats: KeyMap = {
  id: 'beats',
  title: 'BEATs, pre-trained and fine-tuned',
  source: 'microsoft/unilm beats/BEATs.py@768a3c8',
  family: 'beats',
  parts: { network: ['model.', ''] },
  signature: [/^patch_embedding\.weight$/, /^encoder\.pos_conv\.0\.weight$/, /^encoder\.layers\.0\.fc1\.weight$/],
  leftOut: [[/^predictor\./, 'classifier'], tiedBias],
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
  configOf: (shapes) => ({
    ...beatsConfig(shapes),
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
