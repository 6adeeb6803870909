/**
 * Retrieval by cosine similarity: each row asks for the rows that are relevant to it among all others.
 *
 * Average precision as scikit-learn's `average_precision_score` of one query's similarities; recall at k is the share of queries with
 * at least one relevant row among the k most similar. Equal similarities keep the order of the rows.
 */
import { DataError } from '@unlabel/core';

export interface RetrievalScores {
  /** Mean over queries that have a relevant row. */
  readonly mAP: number;
  /** R@k in the order asked for. */
  readonly recall: readonly number[];
  readonly queries: number;
}

/**
 * @param embeddings rows [n, width]
 * @param groups rows of one group are relevant to each other [n]
 * @throws DataError when sizes do not fit, or no row has another of its group
 */
export function retrieval(
  embeddings: Float32Array,
  width: number,
  groups: readonly (string | number)[],
  ks: readonly number[],
): RetrievalScores {
  const n = groups.length;
  if (embeddings.length !== n * width)
    throw new DataError(`retrieval: expected [${n}, ${width}] = ${n * width} values, found ${embeddings.length}.`);
  const unit = unitRows(embeddings, width);
  const recall = ks.map(() => 0);
  let [sum, queries] = [0, 0];
  for (let q = 0; q < n; q++) {
    const similarity = Float64Array.from({ length: n }, (_, i) => dot(unit, q, i, width));
    const order = Array.from({ length: n }, (_, i) => i)
      .filter((i) => i !== q)
      .sort((a, b) => similarity[b]! - similarity[a]! || a - b);
    const ranks = order.flatMap((i, rank) => (groups[i] === groups[q] ? [rank + 1] : []));
    if (ranks.length === 0) continue;
    queries++;
    sum += ranks.reduce((total, rank, found) => total + (found + 1) / rank, 0) / ranks.length;
    ks.forEach((k, i) => (recall[i] = recall[i]! + Number(ranks[0]! <= k)));
  }
  if (queries === 0) throw new DataError('retrieval: no row has another of its group.');
  return { mAP: sum / queries, recall: recall.map((hits) => hits / queries), queries };
}

function unitRows(rows: Float32Array, width: number): Float64Array {
  const unit = Float64Array.from(rows);
  for (let at = 0; at < unit.length; at += width) {
    const norm = Math.sqrt(unit.subarray(at, at + width).reduce((sum, value) => sum + value * value, 0)) || 1;
    for (let d = 0; d < width; d++) unit[at + d]! /= norm;
  }
  return unit;
}

function dot(rows: Float64Array, a: number, b: number, width: number): number {
  let sum = 0;
  for (let d = 0; d < width; d++) sum += rows[a * width + d]! * rows[b * width + d]!;
  return sum;
}
