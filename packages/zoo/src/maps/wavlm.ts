/** WavLM (microsoft/unilm wavlm; wavlm.md): fairseq-style files `{ cfg, model }`. */
import { countLayers, shapeList, sizeAt, type KeyMap, type ShapeList, type Shapes } from './key-map.ts';
import { encoderConfig, encoderShapes, tiedBias } from './beats.ts';

/** The convolutional waveform encoder of wav2vec 2.0 and WavLM, in fairseq's names. */
export function waveformConfig(shapes: Shapes): Record<string, unknown> {
  const layers = countLayers(shapes, 'feature_extractor.conv_layers');
  const kernels = Array.from({ length: layers }, (_, i) =>
    sizeAt(shapes, `feature_extractor.conv_layers.${i}.0.weight`, 2),
  );
  return {
    kernels,
    channels: sizeAt(shapes, 'feature_extractor.conv_layers.0.0.weight', 0),
    convBias: shapes.has('feature_extractor.conv_layers.0.0.bias'),
    convNorm: shapes.has('feature_extractor.conv_layers.0.2.1.weight') ? 'layer' : 'group',
  };
}

export function waveformShapes(list: ShapeList, config: Readonly<Record<string, unknown>>): void {
  const { kernels, channels, convBias, convNorm } = config as {
    kernels: readonly number[];
    channels: number;
    convBias: boolean;
    convNorm: string;
  };
  kernels.forEach((kernel, i) => {
    const layer = `feature_extractor.conv_layers.${i}`;
    list.conv(`${layer}.0`, channels, i === 0 ? 1 : channels, [kernel], convBias);
    if (convNorm === 'layer') list.norm(`${layer}.2.1`, channels);
    else if (i === 0) list.norm(`${layer}.2`, channels);
  });
}

export const wavlm: KeyMap = {
  id: 'wavlm',
  title: 'WavLM, base and large',
  source: 'microsoft/unilm wavlm/WavLM.py',
  family: 'wavlm',
  parts: { network: ['model.', ''] },
  signature: [/^mask_emb$/, /^feature_extractor\.conv_layers\.0\.0\.weight$/, /^encoder\.layers\.0\.fc1\.weight$/],
  leftOut: [tiedBias, [/^(final_proj|label_embs_concat|quantizer|project_q)\b/, 'heads of pre-training']],
  configOf: (shapes) => ({ ...waveformConfig(shapes), ...encoderConfig(shapes) }),
  expected(config) {
    const { channels, width } = config as { channels: number; width: number };
    const list = shapeList();
    list.tensor('mask_emb', width);
    waveformShapes(list, config);
    list.norm('layer_norm', channels);
    if (channels !== width) list.linear('post_extract_proj', width, channels);
    encoderShapes(list, config as unknown as Parameters<typeof encoderShapes>[1]); // from `encoderConfig`
    return list.shapes;
  },
  input: { modality: 'audio', sampleRate: 16000 },
};
