/** wav2vec 2.0: fairseq's transformer, and Hugging Face's Conformer with relative or rotary positions (wav2vec2-conformer.md part B). */
import { countLayers, shapeList, sizeAt, type KeyMap, type ShapeList, type Shapes } from './key-map.ts';
import { wavlm } from './wavlm.ts';

/** The same network as WavLM's without relative positions. */
export const wav2vec2Fairseq: KeyMap = {
  ...wavlm,
  id: 'wav2vec2-fairseq',
  title: 'wav2vec 2.0, fairseq',
  source: 'facebookresearch/fairseq fairseq/models/wav2vec/wav2vec2.py@3d262bb',
  family: 'wav2vec2',
  parts: { network: ['model.w2v_encoder.w2v_model.', 'model.', ''] },
  signature: [...wavlm.signature, /^(quantizer\.vars|project_q\.weight|final_proj\.weight)$/],
  leftOut: [[/^(final_proj|quantizer|project_q)\b/, 'heads of pre-training']],
};

const extractor = 'feature_extractor.conv_layers';

function conformerLayer(list: ShapeList, layer: string, config: ConformerConfig): void {
  const { width, hidden, heads, depthwise, positions } = config;
  const feedForward = (name: string): void => {
    list.norm(`${layer}.${name}_layer_norm`, width);
    list.linear(`${layer}.${name}.intermediate_dense`, hidden, width);
    list.linear(`${layer}.${name}.output_dense`, width, hidden);
  };
  feedForward('ffn1');
  list.norm(`${layer}.self_attn_layer_norm`, width);
  if (positions === 'relative') {
    list.tensor(`${layer}.self_attn.pos_bias_u`, heads, width / heads);
    list.tensor(`${layer}.self_attn.pos_bias_v`, heads, width / heads);
    list.linear(`${layer}.self_attn.linear_pos`, width, width, false);
  }
  for (const name of ['q', 'k', 'v', 'out']) list.linear(`${layer}.self_attn.linear_${name}`, width, width);
  const module = `${layer}.conv_module`;
  list.norm(`${module}.layer_norm`, width);
  list.conv(`${module}.pointwise_conv1`, 2 * width, width, [1]);
  list.conv(`${module}.depthwise_conv`, width, 1, [depthwise]);
  list.batchNorm(`${module}.batch_norm`, width);
  list.conv(`${module}.pointwise_conv2`, width, width, [1]);
  feedForward('ffn2');
  list.norm(`${layer}.final_layer_norm`, width);
}

interface ConformerConfig {
  readonly layers: number;
  readonly width: number;
  readonly hidden: number;
  readonly heads: number;
  readonly depthwise: number;
  readonly positions: 'relative' | 'rotary';
  readonly kernels: readonly number[];
  readonly channels: number;
  readonly convBias: boolean;
  readonly convNorm: string;
  readonly positionKernel: number;
  readonly positionGroups: number;
}

function conformerConfig(shapes: Shapes): Record<string, unknown> {
  const layer = 'encoder.layers.0';
  const width = sizeAt(shapes, `${layer}.ffn1.intermediate_dense.weight`, 1);
  const count = countLayers(shapes, extractor);
  return {
    layers: countLayers(shapes, 'encoder.layers'),
    width,
    hidden: sizeAt(shapes, `${layer}.ffn1.intermediate_dense.weight`, 0),
    heads: sizeAt(shapes, `${layer}.self_attn.pos_bias_u`, 0),
    depthwise: sizeAt(shapes, `${layer}.conv_module.depthwise_conv.weight`, 2),
    positions: shapes.has(`${layer}.self_attn.pos_bias_u`) ? 'relative' : 'rotary',
    kernels: Array.from({ length: count }, (_, i) => sizeAt(shapes, `${extractor}.${i}.conv.weight`, 2)),
    channels: sizeAt(shapes, `${extractor}.0.conv.weight`, 0),
    convBias: shapes.has(`${extractor}.0.conv.bias`),
    convNorm: shapes.has(`${extractor}.1.layer_norm.weight`) ? 'layer' : 'group',
    positionKernel: sizeAt(shapes, 'encoder.pos_conv_embed.conv.weight', 2),
    positionGroups: width / Math.max(1, sizeAt(shapes, 'encoder.pos_conv_embed.conv.weight', 1)),
  };
}

export const wav2vec2Conformer: KeyMap = {
  id: 'wav2vec2-conformer',
  title: 'wav2vec 2.0 Conformer, Hugging Face',
  source: 'huggingface/transformers modeling_wav2vec2_conformer.py',
  family: 'wav2vec2-conformer',
  parts: { network: ['wav2vec2_conformer.', ''] },
  signature: [/^masked_spec_embed$/, /^encoder\.layers\.0\.conv_module\.depthwise_conv\.weight$/],
  leftOut: [[/^encoder\.embed_positions\./, 'a table that is computed']],
  configOf: conformerConfig,
  expected(given) {
    const config = given as unknown as ConformerConfig; // from `conformerConfig`
    const { layers, width, kernels, channels, convBias, convNorm, positionKernel, positionGroups } = config;
    const list = shapeList();
    list.tensor('masked_spec_embed', width);
    kernels.forEach((kernel, i) => {
      list.conv(`${extractor}.${i}.conv`, channels, i === 0 ? 1 : channels, [kernel], convBias);
      if (convNorm === 'layer' || i === 0) list.norm(`${extractor}.${i}.layer_norm`, channels);
    });
    list.norm('feature_projection.layer_norm', channels);
    list.linear('feature_projection.projection', width, channels);
    list.conv('encoder.pos_conv_embed.conv', width, width / positionGroups, [positionKernel], true);
    list.norm('encoder.layer_norm', width);
    for (let i = 0; i < layers; i++) conformerLayer(list, `encoder.layers.${i}`, config);
    return list.shapes;
  },
  input: { modality: 'audio', sampleRate: 16000 },
};
