/** A worker thread that makes batches: positions in, stacked named arrays out. */
import { parentPort, workerData } from 'node:worker_threads';
import { ConfigError, createRng, load, sizeOf, type NdArray, type Sample } from '@unlabel/core';
import { methods } from '../registry.ts';
import type { Item } from './items.ts';
import { createOrder } from './order.ts';
import { createSource, type CacheEntry, type Normalization } from './source.ts';

export interface ViewWorkerData {
  readonly method: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly items: readonly Item[];
  readonly normalization: Normalization | undefined;
  readonly cache: readonly CacheEntry[] | undefined;
}

export interface BatchRequest {
  readonly step: number;
  /** Positions first … first + count − 1. */
  readonly first: number;
  readonly count: number;
}

export type BatchReply =
  | { readonly step: number; readonly arrays: Readonly<Record<string, NdArray>> }
  | { readonly step: number; readonly error: string };

async function run(data: ViewWorkerData): Promise<void> {
  const method = await load(methods, data.method, 'method');
  const config = method.config.parse(data.config);
  const source = createSource({ ...data, input: method.input(config) });
  const views = method.views(config);
  const order = createOrder(createRng(data.seed).fork('pretrain'), data.items.length);

  const inputAt = (position: number): Promise<Sample> =>
    source.sample(order.itemAt(position), order.rngAt(position).fork('crop'));

  const rowAt = async (position: number): Promise<Sample> => {
    const rng = order.rngAt(position).fork('views');
    const sample = await inputAt(position);
    const recent = (k: number): Promise<Sample | undefined> =>
      k >= 1 && k <= position ? inputAt(position - k) : Promise.resolve(undefined);
    return views(sample, { rng, position, recent });
  };

  parentPort!.on('message', (request: BatchRequest) => {
    makeBatch(request, rowAt).then(
      (arrays) => {
        const buffers = Object.values(arrays).map((array) => array.data.buffer as ArrayBuffer);
        parentPort!.postMessage({ step: request.step, arrays } satisfies BatchReply, buffers);
      },
      (error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        parentPort!.postMessage({ step: request.step, error: text } satisfies BatchReply);
      },
    );
  });
}

async function makeBatch(
  { first, count }: BatchRequest,
  rowAt: (position: number) => Promise<Sample>,
): Promise<Record<string, NdArray>> {
  const batch: Record<string, NdArray> = {};
  for (let row = 0; row < count; row++) {
    for (const [name, array] of Object.entries(await rowAt(first + row))) {
      const size = sizeOf(array.shape);
      const held = (batch[name] ??= { data: new Float32Array(count * size), shape: [count, ...array.shape] });
      if (held.data.length !== count * size) {
        throw new ConfigError(
          `${name} of position ${first + row} is [${array.shape.join(', ')}]; the batch holds [${held.shape.slice(1).join(', ')}]. ` +
            'Views must give every row the same shape.',
        );
      }
      held.data.set(array.data, row * size);
    }
  }
  return batch;
}

await run(workerData as ViewWorkerData);
