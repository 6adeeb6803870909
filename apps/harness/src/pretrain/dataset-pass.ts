/** The whole training set for a method's work between epochs: un-augmented batches in a fixed order, and targets set by item. */
import { ConfigError, type DatasetPass, type NdArray } from '@unlabel/core';
import { tf } from '@unlabel/engine';
import type { Progress } from '../display/display.ts';
import type { Arrays, ViewPool } from './view-pool.ts';

/** Batches asked for ahead of the one in use. */
const prefetch = 4;

export interface RecordingPass extends DatasetPass {
  /** What was set, by item. */
  readonly set: ReadonlyMap<number, NdArray>;
}

export function datasetPass(pool: ViewPool, size: number, startProgress: () => Progress): RecordingPass {
  const set = new Map<number, NdArray>();
  return {
    size,
    set,
    async *batches(batchSize) {
      if (!(Number.isInteger(batchSize) && batchSize > 0))
        throw new ConfigError(`batches(${batchSize}): expected a whole number above 0`);
      const lists = Array.from({ length: Math.ceil(size / batchSize) }, (_, b) =>
        Array.from({ length: Math.min(batchSize, size - b * batchSize) }, (_, i) => b * batchSize + i),
      );
      const progress = startProgress();
      const ahead: Promise<Arrays>[] = [];
      let asked = 0;
      for (const [b, items] of lists.entries()) {
        for (; asked < Math.min(b + 1 + prefetch, lists.length); asked++)
          ahead.push(pool.request({ items: lists[asked]! }));
        const arrays = await ahead.shift()!;
        yield { batch: toTensors(arrays), items };
        progress.update(items.at(-1)! + 1);
      }
      progress.finish();
    },
    setTargets(item, targets) {
      if (!(Number.isInteger(item) && item >= 0 && item < size))
        throw new ConfigError(`setTargets: item ${item} is outside 0…${size - 1}`);
      set.set(item, targets);
    },
  };
}

/** A batch of the engine's tensors; the caller disposes them. */
export function toTensors(arrays: Arrays): Record<string, ReturnType<typeof tf.tensor>> {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, { data, shape }]) => [name, tf.tensor(data, [...shape])]),
  );
}
