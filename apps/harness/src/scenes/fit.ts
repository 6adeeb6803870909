/** Trains a decoder on windows, alone or with the network it listens through. */
import type { NdArray, Params, Rng, Scalar, Tensor } from '@unlabel/core';
import { optimizerFor, scheduleFor, tf, valueAndGrads } from '@unlabel/engine';

export interface FitOptions {
  readonly params: Params;
  /** Arrays of which a batch takes rows. */
  readonly arrays: Readonly<Record<string, NdArray>>;
  readonly loss: (batch: Readonly<Record<string, Tensor>>) => Scalar;
  readonly steps: number;
  /** Peak rate; default 1e-2, for decoders alone. */
  readonly lr?: number;
  readonly rng: Rng;
}

const recipe = {
  optimizer: 'adamw',
  lr: 3e-3,
  weightDecay: 1e-4,
  schedule: 'cosine',
  batchSize: 32,
  epochs: 1,
} as const;

export function fit({ params, arrays, loss, steps, lr = recipe.lr, rng }: FitOptions): void {
  const count = Object.values(arrays)[0]!.shape[0]!;
  const optimizer = optimizerFor(recipe, params);
  const rate = scheduleFor({ ...recipe, lr, steps }, steps, count / recipe.batchSize);
  let order: Uint32Array = new Uint32Array();
  for (let step = 0, at = 0, epoch = 0; step < steps; step++, at += recipe.batchSize) {
    if (at + recipe.batchSize > order.length) {
      order = rng.fork(epoch++).permutation(count);
      at = 0;
    }
    const rows = order.subarray(at, at + recipe.batchSize);
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

/** What `pass` makes of all rows, in parts [n, …]. */
export async function forAllRows(
  arrays: Readonly<Record<string, NdArray>>,
  pass: (batch: Readonly<Record<string, Tensor>>) => Tensor,
): Promise<NdArray> {
  const count = Object.values(arrays)[0]!.shape[0]!;
  const parts: Float32Array[] = [];
  let shape: readonly number[] = [];
  for (let from = 0; from < count; from += 64) {
    const rows = Array.from({ length: Math.min(64, count - from) }, (_, i) => from + i);
    const batch = rowsOf(arrays, rows);
    const out = tf.tidy(() => pass(batch));
    shape = out.shape.slice(1);
    parts.push(Float32Array.from(await out.data()));
    tf.dispose([out, ...Object.values(batch)]);
  }
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return { data, shape: [count, ...shape] };
}
