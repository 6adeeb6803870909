/** Trains a decoder on windows, alone or with the network it listens through. */
import type { NdArray, Params, Rng, Scalar, Tensor } from '@unlabel/core';
import { optimizerFor, scheduleFor, tf, valueAndGrads } from '@unlabel/engine';

export interface FitOptions {
  readonly params: Params;
  /** Arrays of which a batch takes rows. */
  readonly arrays: Readonly<Record<string, NdArray>>;
  readonly loss: (batch: Readonly<Record<string, Tensor>>) => Scalar;
  readonly steps: number;
  readonly batchSize: number;
  readonly rng: Rng;
}

const recipe = {
  optimizer: 'adamw',
  lr: 1e-2,
  weightDecay: 1e-4,
  schedule: 'cosine',
  epochs: 1,
} as const;

export function fit({ params, arrays, loss, steps, batchSize, rng }: FitOptions): void {
  const count = Object.values(arrays)[0]!.shape[0]!;
  const optimizer = optimizerFor({ ...recipe, batchSize }, params);
  const rate = scheduleFor({ ...recipe, batchSize, steps }, steps, count / batchSize);
  let order: Uint32Array = new Uint32Array();
  for (let step = 0, at = 0, epoch = 0; step < steps; step++, at += batchSize) {
    if (at + batchSize > order.length) {
      order = rng.fork(epoch++).permutation(count);
      at = 0;
    }
    const rows = order.subarray(at, at + batchSize);
    const batch = rowsOf(arrays, rows);
    const { grads, dispose } = valueAndGrads(params, () => ({ loss: loss(batch), logs: {} }));
    optimizer.step(grads, rate(step));
    dispose();
    tf.dispose(Object.values(batch));
  }
  optimizer.dispose();
}

/** Rows of arrays as tensors of the engine; the caller disposes them. */
export function rowsOf(arrays: Readonly<Record<string, NdArray>>, rows: ArrayLike<number>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, { data, shape }]) => {
      const size = data.length / shape[0]!;
      const values = new Float32Array(rows.length * size);
      for (let i = 0; i < rows.length; i++) values.set(data.subarray(rows[i]! * size, (rows[i]! + 1) * size), i * size);
      return [name, tf.tensor(values, [rows.length, ...shape.slice(1)])];
    }),
  );
}

/** What `pass` makes of all rows, in parts: each of its results [n, …]. */
export async function forAllRows(
  arrays: Readonly<Record<string, NdArray>>,
  pass: (batch: Readonly<Record<string, Tensor>>) => Tensor[],
): Promise<NdArray[]> {
  const count = Object.values(arrays)[0]!.shape[0]!;
  const all: { readonly data: Float32Array; readonly shape: readonly number[] }[] = [];
  for (let from = 0; from < count; from += 64) {
    const rows = Array.from({ length: Math.min(64, count - from) }, (_, i) => from + i);
    const batch = rowsOf(arrays, rows);
    const results = tf.tidy(() => pass(batch));
    for (const [i, result] of results.entries()) {
      const size = result.size / rows.length;
      all[i] ??= { data: new Float32Array(count * size), shape: [count, ...result.shape.slice(1)] };
      all[i].data.set(await result.data(), from * size);
    }
    tf.dispose([...results, ...Object.values(batch)]);
  }
  return all;
}
