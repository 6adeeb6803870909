/** MT-SLVR's ResNet-18 with adapters in its blocks (mt-slvr.md §3, §5): none, split, batch norm, series, parallel. */
import { frontEnds } from '@unlabel/audio';
import { shapeList, sizeAt, type KeyMap, type Shapes } from './key-map.ts';
import { resnetConfig, resnetShapes, type Unit } from './resnet-shapes.ts';

const kinds = ['none', 'split', 'bn', 'series', 'parallel'] as const;
type Kind = (typeof kinds)[number];

function kindOf(shapes: Shapes): Kind {
  if (shapes.has('layer1.0.conv1.parallel_conv.0.conv.weight')) return 'parallel';
  if (shapes.has('layer1.0.conv1.bns.0.0.conv.1.weight')) return 'series';
  if (shapes.has('layer1.0.conv1.bns.0.weight')) return 'bn';
  return shapes.has('fc_layers.0.weight') ? 'split' : 'none';
}

/** Adapters of each task beside a shared convolution; a plain block has conv and norm. */
function unitOf(kind: Kind, tasks: number): Unit | undefined {
  if (kind === 'none' || kind === 'split') return undefined;
  return (list, { conv }, out, inputs, kernel) => {
    list.conv(`${conv}.conv`, out, inputs, [kernel, kernel]);
    // The official first stage is built with one set of adapters, whatever the tasks.
    for (let t = 0; t < (conv.startsWith('layer1.') ? 1 : tasks); t++) {
      if (kind === 'parallel') list.conv(`${conv}.parallel_conv.${t}.conv`, out, inputs, [1, 1]);
      if (kind === 'series') {
        list.batchNorm(`${conv}.bns.${t}.0.conv.0`, out);
        list.conv(`${conv}.bns.${t}.0.conv.1`, out, out, [1, 1]);
        list.batchNorm(`${conv}.bns.${t}.1`, out);
      } else list.batchNorm(`${conv}.bns.${t}`, out);
    }
  };
}

export const mtSlvr: KeyMap = {
  id: 'mt-slvr',
  title: 'MT-SLVR, ResNet-18 with task adapters',
  source: 'CHeggan/MT-SLVR',
  family: 'resnet-adapters',
  parts: { network: ['model_state_dict.backbone.', 'backbone.', 'base_encoder.', 'state_dict.', ''] },
  signature: [/^conv1\.weight$/, /^layer1\.0\.conv1\.(conv\.)?weight$/, /^(fc_layers\.0|fc)\.weight$/],
  leftOut: [[/^(cont|pred)_\w+\.|^(projector|predictor)\./, 'heads of the two losses']],
  input: { modality: 'audio', sampleRate: 16000, frontEnd: { ...frontEnds['mt-slvr-3'] } },
  configOf(shapes) {
    const kind = kindOf(shapes);
    const heads = [...shapes.keys()].filter((name) => /^fc_layers\.\d+\.weight$/.test(name)).length;
    return {
      ...resnetConfig(shapes),
      adapter: kind,
      tasks: Math.max(1, heads),
      outputs: sizeAt(shapes, heads > 0 ? 'fc_layers.0.weight' : 'fc.weight', 0),
    };
  },
  expected(config) {
    const { adapter, tasks, outputs, width } = config as {
      adapter: Kind;
      tasks: number;
      outputs: number;
      width: number;
    };
    const unit = unitOf(adapter, tasks);
    const list = shapeList();
    for (const [name, shape] of unit ? resnetShapes(config, unit, pooledShortcut) : resnetShapes(config)) {
      list.tensor(name, ...shape);
    }
    if (unit) for (let t = 0; t < tasks; t++) list.batchNorm(`end_bns.${t}.0`, 8 * width);
    if (adapter === 'none') list.linear('fc', outputs, 8 * width);
    else for (let t = 0; t < tasks; t++) list.linear(`fc_layers.${t}`, outputs, 8 * width);
    return list.shapes;
  },
};

/** Networks with adapters pool and pad their shortcuts, which have no weights. */
const pooledShortcut: Unit = () => {};
