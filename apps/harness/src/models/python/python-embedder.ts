/** A Python module with the HEAR API as an Embedder (hear.md §4). */
import { DataError, type Embedder } from '@unlabel/core';
import { startBridge, type Bridge, type BridgeOptions, type PythonArray } from './bridge.ts';

export interface PythonModelRef extends BridgeOptions {
  readonly kind: 'python';
  readonly id: string;
}

/** Clips of one call, and samples of one call: bounds what is in flight. */
const clipsPerCall = 64;
const samplesPerCall = 2 ** 25;

/** Starts the module; `dispose` ends its process. */
export async function pythonEmbedder(ref: PythonModelRef): Promise<Embedder> {
  const bridge = await startBridge(ref);
  const { model } = bridge;
  return {
    id: ref.id,
    method: ref.module,
    fingerprint: model.fingerprint,
    sampleRate: model.sample_rate,
    sceneEmbeddingSize: model.scene_embedding_size,
    timestampEmbeddingSize: model.timestamp_embedding_size,
    params: model.parameters,
    source: `python:${ref.module}${ref.weights === '' ? '' : ` with ${ref.weights}`}`,
    async embedScenes(clips) {
      const width = model.scene_embedding_size;
      const out = new Float32Array(clips.length * width);
      for (const group of groupsOfLength(clips)) {
        const found = await bridge.call(
          'scene',
          group.map((i) => clips[i]!),
        );
        const [embeddings] = checked(ref, 'get_scene_embeddings', found, [[group.length, width]]);
        group.forEach((clip, row) => out.set(embeddings!.subarray(row * width, (row + 1) * width), clip * width));
      }
      return out;
    },
    embedTimestamps: (audio) => embedTimestamps(ref, bridge, audio),
    dispose: () => bridge.close(),
  };
}

async function embedTimestamps(
  ref: PythonModelRef,
  bridge: Bridge,
  audio: Float32Array,
): Promise<{ embeddings: Float32Array; timestamps: Float32Array }> {
  const found = await bridge.call('timestamps', [audio]);
  const frames = found[1]?.shape[1] ?? 0;
  const width = bridge.model.timestamp_embedding_size;
  const [embeddings, timestamps] = checked(ref, 'get_timestamp_embeddings', found, [
    [1, frames, width],
    [1, frames],
  ]);
  const backwards = timestamps!.findIndex((t, i) => i > 0 && !(t > timestamps![i - 1]!));
  if (backwards > 0) {
    throw new DataError(
      `python:${ref.module}: timestamps must rise; ${timestamps![backwards - 1]} ms is followed by ${timestamps![backwards]} ms`,
    );
  }
  return { embeddings: embeddings!, timestamps: timestamps! };
}

/** @throws DataError for another dtype or shape than the API states */
function checked(
  ref: PythonModelRef,
  what: string,
  found: readonly PythonArray[],
  shapes: readonly (readonly number[])[],
): Float32Array[] {
  return shapes.map((shape, i) => {
    const array = found[i];
    const where = `python:${ref.module}: ${what}${i === 1 ? ', timestamps' : ''}`;
    if (!array) throw new DataError(`${where}: nothing came back`);
    if (array.dtype !== 'float32')
      throw new DataError(`${where}: expected float32, found ${array.dtype}. Convert it in the module.`);
    if (array.shape.join() !== shape.join() || array.shape.includes(0)) {
      throw new DataError(`${where}: expected [${shape.join(', ')}], found [${array.shape.join(', ')}]`);
    }
    return array.data;
  });
}

/** Indices of clips of equal length, in calls of bounded size, in the order of their first clip. */
export function groupsOfLength(clips: readonly Float32Array[]): number[][] {
  const groups: number[][] = [];
  const open = new Map<number, number[]>();
  clips.forEach(({ length }, i) => {
    let group = open.get(length);
    if (!group || group.length >= clipsPerCall || (group.length + 1) * length > samplesPerCall) {
      group = [];
      open.set(length, group);
      groups.push(group);
    }
    group.push(i);
  });
  return groups;
}
