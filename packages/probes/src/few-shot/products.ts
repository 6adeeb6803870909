/**
 * Inner products between the windows of an episode. All classifiers here need nothing else of the embeddings, so 10,000 episodes
 * cost one matrix of products between all windows; where that would not fit into memory, each episode computes its own.
 *
 * Legend: R windows, D embedding size, M support windows of an episode, T query windows.
 */
import { DataError } from '@unlabel/core';
import { checkEmbeddings, countOf, type Embeddings } from '../embeddings.ts';
import { createWorkspace, roundUp } from '../linalg/kernel.ts';

/** What is done to a window before products are taken: nothing, length 1, or base mean off and then length 1 (CL2N). */
export type Preparation =
  { readonly kind: 'none' } | { readonly kind: 'l2' } | { readonly kind: 'cl2n'; readonly mean: Float64Array };

export interface EpisodeProducts {
  /** Between support windows [M, M]. */
  readonly support: Float64Array;
  /** Of query windows with support windows [T, M]. */
  readonly query: Float64Array;
}

export interface Products {
  /** Fills `into` for these windows. */
  read(support: Int32Array, query: Int32Array, into: EpisodeProducts): void;
}

/** Bytes that the prepared windows and their products may take together. */
const defaultMemory = 1.5e9;

/** @throws DataError for embeddings that are not finite */
export function productsOf(embeddings: Embeddings, preparation: Preparation, memory = defaultMemory): Products {
  checkEmbeddings(embeddings, 'few-shot');
  const rows = countOf(embeddings);
  const stride = roundUp(embeddings.width, 2);
  const padded = roundUp(rows, 4);
  const isWhole = 8 * padded * (stride + padded) <= memory;
  return isWhole ? wholeMatrix(embeddings, preparation, rows) : eachItsOwn(embeddings, preparation);
}

/** One window, prepared, into a row of zeros. */
function prepare({ data, width }: Embeddings, window: number, preparation: Preparation, into: Float64Array): void {
  const at = window * width;
  const mean = preparation.kind === 'cl2n' ? preparation.mean : undefined;
  if (mean && mean.length !== width) {
    throw new DataError(`few-shot: the base mean has ${mean.length} values, the embeddings have ${width}`);
  }
  let square = 0;
  for (let d = 0; d < width; d++) {
    const value = data[at + d]! - (mean ? mean[d]! : 0);
    into[d] = value;
    square += value * value;
  }
  if (preparation.kind === 'none' || square === 0) return;
  const scale = 1 / Math.sqrt(square);
  for (let d = 0; d < width; d++) into[d]! *= scale;
}

function wholeMatrix(embeddings: Embeddings, preparation: Preparation, rows: number): Products {
  const stride = roundUp(embeddings.width, 2);
  const padded = roundUp(rows, 4);
  const { allocate, dot } = createWorkspace([padded * stride, padded * padded]);
  const x = allocate(padded * stride);
  const gram = allocate(padded * padded);
  for (let i = 0; i < rows; i++) prepare(embeddings, i, preparation, x.subarray(i * stride, (i + 1) * stride));
  // the lower half by blocks of rows, then its mirror image
  for (let i = 0; i < padded; i += 64) {
    const m = Math.min(64, padded - i);
    const a = x.subarray(i * stride);
    const c = gram.subarray(i * padded);
    dot({ m, n: i + m, k: stride, a, aStride: stride, b: x, bStride: stride, c, cRow: padded, cColumn: 1, sign: 1 });
  }
  for (let i = 0; i < rows; i++) for (let j = 0; j < i; j++) gram[j * padded + i] = gram[i * padded + j]!;
  return {
    read(support, query, into) {
      const m = support.length;
      for (let i = 0; i < m; i++) {
        const row = support[i]! * padded;
        for (let j = 0; j < m; j++) into.support[i * m + j] = gram[row + support[j]!]!;
      }
      for (let t = 0; t < query.length; t++) {
        const row = query[t]! * padded;
        for (let j = 0; j < m; j++) into.query[t * m + j] = gram[row + support[j]!]!;
      }
    },
  };
}

function eachItsOwn(embeddings: Embeddings, preparation: Preparation): Products {
  const stride = roundUp(embeddings.width, 2);
  let room = { m: 0, t: 0, run: (_support: Int32Array, _query: Int32Array, _into: EpisodeProducts): void => {} };
  const makeRoom = (m: number, t: number): typeof room => {
    const all = roundUp(m + t, 4);
    const columns = roundUp(m, 4);
    const { allocate, dot } = createWorkspace([all * stride, all * columns]);
    const x = allocate(all * stride);
    const c = allocate(all * columns);
    return {
      m,
      t,
      run(support, query, into) {
        const used = support.length + query.length;
        support.forEach((window, i) => prepare(embeddings, window, preparation, x.subarray(i * stride)));
        query.forEach((window, i) =>
          prepare(embeddings, window, preparation, x.subarray((support.length + i) * stride)),
        );
        c.fill(0);
        const n = roundUp(support.length, 2);
        dot({
          m: roundUp(used, 4),
          n,
          k: stride,
          a: x,
          aStride: stride,
          b: x,
          bStride: stride,
          c,
          cRow: columns,
          cColumn: 1,
          sign: 1,
        });
        const size = support.length;
        for (let i = 0; i < used; i++) {
          const row = c.subarray(i * columns, i * columns + size);
          if (i < size) into.support.set(row, i * size);
          else into.query.set(row, (i - size) * size);
        }
      },
    };
  };
  return {
    read(support, query, into) {
      if (support.length > room.m || query.length > room.t)
        room = makeRoom(Math.max(room.m, support.length), Math.max(room.t, query.length));
      room.run(support, query, into);
    },
  };
}
