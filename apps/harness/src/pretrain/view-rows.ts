/** Rows of training made from positions: stacked named arrays, in a worker thread or in the thread that trains. */
import { ConfigError, sizeOf, type NdArray, type Sample } from '@unlabel/core';
import { loadMethod } from '../load-method.ts';
import type { Item } from './items.ts';
import { createOrder } from './order.ts';
import { methodOfStage, rngOf } from './plan.ts';
import { createSource, type CacheEntry, type Normalization } from './source.ts';
import { targetOf, type Targets } from './targets.ts';

export interface ViewWorkerData {
  /** As `loadMethod` takes it, and its config. */
  readonly method: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** The stage of it that runs, and that stage's config. */
  readonly stage: { readonly id: string; readonly config: Readonly<Record<string, unknown>> } | undefined;
  readonly seed: number;
  readonly items: readonly Item[];
  readonly normalization: Normalization | undefined;
  readonly cache: readonly CacheEntry[] | undefined;
}

/** Rows of training at positions first … first + count − 1, or un-augmented inputs by item. */
export type RowRequest = { readonly first: number; readonly count: number } | { readonly items: readonly number[] };

export interface RowMaker {
  make(rows: RowRequest): Promise<Record<string, NdArray>>;
  /** What rows asked for from now on see as their targets. */
  setTargets(targets: Targets): void;
  close(): void;
}

export async function createRowMaker(data: ViewWorkerData): Promise<RowMaker> {
  const { stage, seed, items } = data;
  const method = methodOfStage(await loadMethod(data.method), data.config, stage?.id);
  const config = method.config.parse(stage?.config ?? data.config);
  const source = createSource({ ...data, input: method.input(config) });
  const views = method.views(config);
  const root = rngOf(seed, stage?.id).fork('pretrain');
  const order = createOrder(root, items.length);
  let targets: Targets | undefined;

  const inputAt = (position: number): Promise<Sample> =>
    source.sample(order.itemAt(position), order.rngAt(position).fork('crop'));

  const rowAt = async (position: number): Promise<Sample> => {
    const rng = order.rngAt(position).fork('views');
    const sample = await inputAt(position);
    const recent = (k: number): Promise<Sample | undefined> =>
      k >= 1 && k <= position ? inputAt(position - k) : Promise.resolve(undefined);
    const own = targets && targetOf(targets, order.itemAt(position));
    return views(sample, { rng, position, recent, ...(own && { targets: own }) });
  };
  const plain = root.fork('pass');
  const plainInput = (item: number): Promise<Sample> => source.sample(item, plain.fork(item));

  const make = (rows: RowRequest): Promise<Record<string, NdArray>> =>
    'items' in rows
      ? stack(
          rows.items.length,
          (row) => plainInput(rows.items[row]!),
          (row) => `item ${rows.items[row]}`,
        )
      : stack(
          rows.count,
          (row) => rowAt(rows.first + row),
          (row) => `position ${rows.first + row}`,
        );
  return { make, setTargets: (next) => (targets = next), close: () => source.close() };
}

/** `count` rows as arrays with a leading dimension. `where` names a row in an error. */
async function stack(
  count: number,
  rowAt: (row: number) => Promise<Sample>,
  where: (row: number) => string,
): Promise<Record<string, NdArray>> {
  const batch: Record<string, NdArray> = {};
  for (let row = 0; row < count; row++) {
    for (const [name, array] of Object.entries(await rowAt(row))) {
      const size = sizeOf(array.shape);
      const held = (batch[name] ??= { data: new Float32Array(count * size), shape: [count, ...array.shape] });
      if (held.data.length !== count * size) {
        throw new ConfigError(
          `${name} of ${where(row)} is [${array.shape.join(', ')}]; the batch holds [${held.shape.slice(1).join(', ')}]. ` +
            'Rows of one batch must have the same shape.',
        );
      }
      held.data.set(array.data, row * size);
    }
  }
  return batch;
}
