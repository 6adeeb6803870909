/** The negatives of MoCo: keys of earlier batches as columns of unit length, the oldest replaced first (arXiv 1911.05722v3, §3.2). */
import { ConfigError, type NdArray, type Rng, type Tensor, type Variable } from '@unlabel/core';
import { init, parameter, tf } from '@unlabel/engine';

/** Gaussian columns of unit length [D, K], what the queue holds before the first keys; no gradient reaches it. */
export const createQueue = (width: number, size: number, rng: Rng): Variable =>
  parameter(unitColumns(init.normal([width, size], 1, rng)), { trainable: false });

/** Columns brought to length 1 in float64. x [D, K] */
export function unitColumns({ data, shape }: NdArray): NdArray {
  const columns = shape[1]!;
  const norms = new Float64Array(columns);
  data.forEach((value, i) => (norms[i % columns]! += value * value));
  return { data: data.map((value, i) => value / Math.sqrt(norms[i % columns]!)), shape };
}

/** A queue takes whole batches only: its length must be a multiple of theirs. */
export function checkQueue(who: string, size: number, rows: number): void {
  if (size % rows === 0) return;
  throw new ConfigError(
    `${who}: a queue of ${size} keys cannot be filled by batches of ${rows}. Set queueSize to a multiple.`,
  );
}

/** The keys [B, D] of step `index` replace columns index·B … of the queue, counted round and round. */
export function enqueue(queue: Variable, keys: Tensor, index: number): void {
  const [size, rows] = [queue.shape[1]!, keys.shape[0]!];
  const at = (index * rows) % size;
  tf.tidy(() => {
    const before = tf.slice(queue, [0, 0], [-1, at]);
    const after = tf.slice(queue, [0, at + rows], [-1, size - at - rows]);
    queue.assign(tf.concat([before, tf.transpose(keys), after], 1));
  });
}
