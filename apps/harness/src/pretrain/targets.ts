/**
 * Targets that a method has set for its items (`DatasetPass.setTargets`): packed in shared memory, so that worker threads read them
 * without copies, and kept in a file beside the checkpoint that belongs to them.
 */
import { CheckpointError, ConfigError, sizeOf, type NdArray } from '@unlabel/core';
import { encodeSafetensorsParts, openSafetensors, writeFileAtomic } from '@unlabel/formats';

export interface Targets {
  /** All values, item after item. */
  readonly values: Float32Array;
  /** Where an item's values begin. */
  readonly offsets: Float64Array;
  /** [items, rank]; −1 where an item has no targets. */
  readonly shapes: Int32Array;
  readonly rank: number;
}

/** Targets of `items` items: `set` over what `previous` holds. */
export function packTargets(items: number, set: ReadonlyMap<number, NdArray>, previous?: Targets): Targets {
  const at = (item: number): NdArray | undefined => set.get(item) ?? (previous && targetOf(previous, item));
  const rank = [...set.values()][0]?.shape.length ?? previous?.rank ?? 0;
  const shapes = new Int32Array(new SharedArrayBuffer(4 * items * rank)).fill(-1);
  const offsets = new Float64Array(new SharedArrayBuffer(8 * (items + 1)));
  for (let item = 0; item < items; item++) {
    const target = at(item);
    if (target && target.shape.length !== rank) {
      throw new ConfigError(
        `targets of item ${item} are [${target.shape.join(', ')}]; those before have ${rank} dimensions. Give all the same rank.`,
      );
    }
    if (target) shapes.set(target.shape, item * rank);
    offsets[item + 1] = offsets[item]! + (target ? sizeOf(target.shape) : 0);
  }
  const values = new Float32Array(new SharedArrayBuffer(4 * offsets[items]!));
  for (let item = 0; item < items; item++) {
    const target = at(item);
    if (target) values.set(target.data, offsets[item]);
  }
  return { values, offsets, shapes, rank };
}

export function targetOf({ values, offsets, shapes, rank }: Targets, item: number): NdArray | undefined {
  const shape = [...shapes.subarray(item * rank, (item + 1) * rank)];
  return shape[0] === -1 ? undefined : { data: values.slice(offsets[item], offsets[item + 1]), shape };
}

export async function saveTargets(path: string, { values, shapes, rank }: Targets): Promise<void> {
  const tensors = {
    shapes: { data: shapes, shape: [shapes.length / rank, rank] },
    values: { data: values, shape: [values.length] },
  };
  await writeFileAtomic(path, encodeSafetensorsParts(tensors));
}

export async function loadTargets(path: string): Promise<Targets> {
  const reader = await openSafetensors(path).catch((cause: unknown) => {
    throw new CheckpointError(`${path}: the targets of the checkpoint cannot be read`, { cause });
  });
  try {
    const [shapes, values] = [await reader.read('shapes'), await reader.readFloat32('values')];
    const [items, rank] = shapes.shape as [number, number];
    const set = new Map<number, NdArray>();
    let offset = 0;
    for (let item = 0; item < items; item++) {
      const shape = [...shapes.data.subarray(item * rank, (item + 1) * rank)];
      if (shape[0] === -1) continue;
      set.set(item, { data: values.data.subarray(offset, (offset += sizeOf(shape))), shape });
    }
    return packTargets(items, set);
  } finally {
    await reader.close();
  }
}
