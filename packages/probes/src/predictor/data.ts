/** Rows of a split as the predictor takes them: embeddings, targets, and which rows are which file's. */
import { DataError, type Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';
import { checkEmbeddings, countOf, type Embeddings } from '../embeddings.ts';
import { embeddingsOf, type ProbeSplit } from '../protocol-types.ts';

export interface Rows {
  readonly embeddings: Embeddings;
  readonly count: number;
  /** Classes of row i: those of its file, or of the events that its frame lies in. */
  readonly labels: readonly (readonly number[])[];
}

/** A frame has an event while start ≤ t < end + this many ms (hear.md §5). */
const frameSlack = 1e-4;

/** @throws DataError for embeddings that are missing or not finite, and for a multiclass row without exactly one class */
export function rowsOf(split: ProbeSplit, what: string, isMulticlass: boolean): Rows {
  const embeddings = embeddingsOf(split);
  checkEmbeddings(embeddings, what);
  const labels = split.frames ? frameLabels(split) : split.labels;
  if (isMulticlass) {
    const wrong = labels.findIndex((row) => row.length !== 1);
    if (wrong >= 0) {
      const file = split.frames ? 'a frame' : split.files[wrong]!;
      throw new DataError(`${what}: ${file} has ${labels[wrong]!.length} labels; a multiclass task needs exactly one`);
    }
  }
  return { embeddings, count: countOf(embeddings), labels };
}

function frameLabels({ frames }: ProbeSplit): number[][] {
  const { offsets, timestamps, events } = frames!;
  const labels: number[][] = Array.from({ length: timestamps.length }, () => []);
  for (const [file, list] of events.entries()) {
    for (const { label, start, end } of list) {
      for (let row = offsets[file]!; row < offsets[file + 1]!; row++) {
        const t = timestamps[row]!;
        if (start <= t && t < end + frameSlack && !labels[row]!.includes(label)) labels[row]!.push(label);
      }
    }
  }
  return labels;
}

/** Rows `order[from…to]` as tensors x [B, D] and targets [B, C]. The caller disposes them. */
export function batchOf(
  { embeddings: { data, width }, labels }: Rows,
  order: ArrayLike<number>,
  from: number,
  to: number,
  classes: number,
): { x: Tensor; targets: Tensor } {
  const count = to - from;
  const x = new Float32Array(count * width);
  const targets = new Float32Array(count * classes);
  for (let i = 0; i < count; i++) {
    const row = order[from + i]!;
    x.set(data.subarray(row * width, (row + 1) * width), i * width);
    for (const label of labels[row]!) targets[i * classes + label] = 1;
  }
  return { x: tf.tensor2d(x, [count, width]), targets: tf.tensor2d(targets, [count, classes]) };
}

/**
 * Starts of the batches of n rows, and n. A last batch of one row has no variance for the batch norm (the official tool stops
 * there with an error); it joins the batch before.
 */
export function batchBounds(n: number, batchSize: number): number[] {
  const bounds = Array.from({ length: Math.ceil(n / batchSize) }, (_, b) => b * batchSize);
  if (bounds.length > 1 && n - bounds.at(-1)! === 1) bounds.pop();
  return [...bounds, n];
}
