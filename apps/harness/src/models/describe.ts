/** What evaluation needs to know of a model before a worker opens it: read from its config, without the engine. */
import { createRng, load, type ModelConfig } from '@unlabel/core';
import { sha256 } from '@unlabel/formats';
import { methods } from '../registry.ts';
import { statisticsBaseline, type BaselineId } from './baselines.ts';
import { countValues, fingerprintFile, readModelConfig } from '@unlabel/zoo/files';
import { colorStats, isImageBaseline, randomBackboneConfig, randomBackboneFingerprint } from './image-baselines.ts';
import { readFeatures } from './features.ts';
import { tapOf, type ModelRef } from './resolve.ts';

export interface ModelDescription {
  readonly ref: ModelRef;
  readonly id: string;
  readonly method: string;
  readonly fingerprint: string;
  /** What it takes; undefined for one that looks at labels alone (chance). */
  readonly modality?: 'audio' | 'image';
  /** Hz; 0 for images, and when it hears nothing (chance). */
  readonly sampleRate: number;
  readonly source: string;
  /** Values of the kept network, buffers apart; 0 for statistics. */
  readonly params: number;
  readonly sawUnlabelled: readonly string[];
}

export async function describeModel(ref: ModelRef): Promise<ModelDescription> {
  const described = await describeWhole(ref);
  const tap = tapOf(ref);
  if (tap === undefined) return described;
  return { ...described, fingerprint: sha256(`${described.fingerprint} ${tap} v1`) }; // other embeddings
}

async function describeWhole(ref: ModelRef): Promise<ModelDescription> {
  switch (ref.kind) {
    case 'chance':
      return {
        ref,
        id: ref.id,
        method: 'chance',
        fingerprint: 'chance-v1',
        sampleRate: 0,
        source: 'built in',
        params: 0,
        sawUnlabelled: [],
      };
    case 'baseline': {
      if (isImageBaseline(ref.id)) {
        const { id, method, fingerprint, source } = colorStats;
        return { ref, id, method, modality: 'image', fingerprint, sampleRate: 0, source, params: 0, sawUnlabelled: [] };
      }
      const { id, method, fingerprint, sampleRate, source } = statisticsBaseline(ref.id as BaselineId);
      return { ref, id, method, modality: 'audio', fingerprint, sampleRate, source, params: 0, sawUnlabelled: [] };
    }
    case 'directory': {
      const config = await readModelConfig(ref.dir);
      return {
        ref,
        id: ref.id,
        method: config.method,
        ...takes(config.input),
        fingerprint: await fingerprintFile(ref.dir),
        source: ref.source,
        params: await countValues(ref.dir),
        sawUnlabelled: config.training.sawUnlabelled,
      };
    }
    case 'python': {
      // What it is only the module knows; it is loaded once for that.
      const { pythonEmbedder } = await import('./python/python-embedder.ts');
      const opened = await pythonEmbedder(ref);
      const { id, method, fingerprint, sampleRate, source, params } = opened;
      opened.dispose?.();
      return { ref, id, method, modality: 'audio', fingerprint, sampleRate, source, params, sawUnlabelled: [] };
    }
    case 'features': {
      const { fingerprint } = await readFeatures(ref);
      return {
        ref,
        id: ref.id,
        method: 'features made elsewhere',
        modality: 'image',
        fingerprint,
        sampleRate: 0,
        source: ref.file,
        params: 0,
        sawUnlabelled: [],
      };
    }
    case 'onnx': {
      const { describeOnnx } = await import('./onnx/onnx-embedder.ts');
      const { sidecar, fingerprint } = await describeOnnx(ref.file);
      const { id = ref.id, method = 'onnx', sampleRate } = sidecar;
      return {
        ref,
        id,
        method,
        modality: 'audio',
        fingerprint,
        sampleRate,
        source: ref.file,
        params: 0,
        sawUnlabelled: [],
      };
    }
    case 'backbone': {
      const config = randomBackboneConfig(ref.backbone, ref.seed);
      return {
        ref,
        id: ref.id,
        method: 'random',
        modality: 'image',
        fingerprint: randomBackboneFingerprint(config),
        sampleRate: 0,
        source: `random:${ref.backbone} seed ${ref.seed}`,
        params: await countBackbone(config),
        sawUnlabelled: [],
      };
    }
    case 'random': {
      const { randomFingerprint, randomModel, randomParams } = await import('./random-model.ts');
      const method = await load(methods, ref.method, 'method');
      const described = randomModel(method, ref);
      return {
        ref,
        id: ref.id,
        method: method.id,
        fingerprint: randomFingerprint(described),
        ...takes(described.input),
        source: `random:${ref.method}@${ref.preset} seed ${ref.seed}`,
        params: randomParams(method, ref),
        sawUnlabelled: [],
      };
    }
  }
}

function takes(input: Readonly<Record<string, unknown>>): Pick<ModelDescription, 'modality' | 'sampleRate'> {
  if (input['modality'] === 'image') return { modality: 'image', sampleRate: 0 };
  return { modality: 'audio', sampleRate: Number(input['sampleRate'] ?? 16000) };
}

async function countBackbone({ backbone: { id, config } }: ModelConfig): Promise<number> {
  const [{ backboneFamilies }, { countParams, disposeParams, trainableOf, useEngine }] = await Promise.all([
    import('@unlabel/backbones'),
    import('@unlabel/engine'),
  ]);
  await useEngine();
  const { params } = backboneFamilies[id]!.build(config, createRng(0));
  const count = countParams(trainableOf(params));
  disposeParams(params);
  return count;
}
