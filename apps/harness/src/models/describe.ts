/** What evaluation needs to know of a model before a worker opens it: read from its config, without the engine. */
import { load } from '@unlabel/core';
import { methods } from '../registry.ts';
import { statisticsBaseline, type BaselineId } from './baselines.ts';
import { countValues, fingerprintFile, readModelConfig } from '@unlabel/zoo/files';
import type { ModelRef } from './resolve.ts';

export interface ModelDescription {
  readonly ref: ModelRef;
  readonly id: string;
  readonly method: string;
  readonly fingerprint: string;
  /** Hz; 0 when it hears nothing (chance). */
  readonly sampleRate: number;
  readonly source: string;
  /** Values of the kept network, buffers apart; 0 for statistics. */
  readonly params: number;
  readonly sawUnlabelled: readonly string[];
}

export async function describeModel(ref: ModelRef): Promise<ModelDescription> {
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
      const { id, method, fingerprint, sampleRate, source } = statisticsBaseline(ref.id as BaselineId);
      return { ref, id, method, fingerprint, sampleRate, source, params: 0, sawUnlabelled: [] };
    }
    case 'directory': {
      const config = await readModelConfig(ref.dir);
      return {
        ref,
        id: ref.id,
        method: config.method,
        fingerprint: await fingerprintFile(ref.dir),
        sampleRate: Number(config.input['sampleRate'] ?? 16000),
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
      return { ref, id, method, fingerprint, sampleRate, source, params, sawUnlabelled: [] };
    }
    case 'onnx': {
      const { describeOnnx } = await import('./onnx/onnx-embedder.ts');
      const { sidecar, fingerprint } = await describeOnnx(ref.file);
      const { id = ref.id, method = 'onnx', sampleRate } = sidecar;
      return { ref, id, method, fingerprint, sampleRate, source: ref.file, params: 0, sawUnlabelled: [] };
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
        sampleRate: Number(described.input['sampleRate'] ?? 16000),
        source: `random:${ref.method}@${ref.preset} seed ${ref.seed}`,
        params: randomParams(method, ref),
        sawUnlabelled: [],
      };
    }
  }
}
