/**
 * Weighted nearest neighbours on frozen embeddings: DINO's (facebookresearch/dino@7c446df `eval_knn.py`), which is that of
 * Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination, CVPR 2018, arXiv:1805.01978v1, as MoCo
 * uses it too. Each of the k nearest training images by cosine votes for its class with exp(cosine / temperature). In float64,
 * by blocks of any size to the same bits; of equal cosines the lower index is nearer, of equal classes the lower one wins. The
 * original cuts the test set into 100 parts and fails below 100 images.
 *
 * Legend: m test images, n training images, D embedding size, K classes.
 */
import { ConfigError, DataError } from '@unlabel/core';
import { checkEmbeddings, countOf, type Embeddings } from '../embeddings.ts';
import { createWorkspace, roundUp } from '../linalg/kernel.ts';

export interface KnnData {
  readonly embeddings: Embeddings;
  /** Class of each image, 0 … K − 1. */
  readonly labels: ArrayLike<number>;
}

export interface KnnOptions {
  readonly classes: number;
  /** Numbers of neighbours; more than there are images means all. */
  readonly ks?: readonly number[];
  readonly temperature?: number;
  /** Cosines, not inner products; VISSL's default is inner products. */
  readonly normalize?: boolean;
  /** Test images at a time. */
  readonly block?: number;
}

/** DINO's: k of 10, 20, 100 and 200 at temperature 0.07. MoCo's demonstration has 200 at 0.1. */
export const knnDefaults = Object.freeze({ ks: [10, 20, 100, 200], temperature: 0.07, normalize: true, block: 64 });

export interface KnnVotes {
  readonly k: number;
  /** Weights of the classes [m, K], each row's sum 1. */
  readonly scores: Float64Array;
}

/**
 * Votes of the neighbours of each test image, for each k.
 * @throws DataError for embeddings that do not fit or labels that are no class; ConfigError for options out of range
 */
export function knnVotes(train: KnnData, test: Embeddings, options: KnnOptions): KnnVotes[] {
  const { classes, ks, temperature, normalize, block } = { ...knnDefaults, ...options };
  checkKnn(train, test, { classes, ks, temperature, block });
  const [n, m] = [countOf(train.embeddings), countOf(test)];
  const largest = Math.min(n, Math.max(...ks));
  const results = ks.map((k) => ({ k, scores: new Float64Array(m * classes) }));
  const neighbors = new Int32Array(largest);
  const cosinesOf = cosines(train.embeddings, test, normalize, Math.min(block, m));
  for (let from = 0; from < m; from += block) {
    const rows = Math.min(block, m - from);
    const similarities = cosinesOf(from, rows);
    for (let r = 0; r < rows; r++) {
      const row = similarities.subarray(r * n, (r + 1) * n);
      nearest(row, neighbors);
      for (const { k, scores } of results)
        vote(
          row,
          neighbors.subarray(0, Math.min(k, n)),
          train.labels,
          temperature,
          scores,
          (from + r) * classes,
          classes,
        );
    }
  }
  return results;
}

/** Share of test images whose class is among the `top` of largest score; of equal scores the lower class is first. */
export function topAccuracy(
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
  top: number,
): number {
  let hits = 0;
  for (let i = 0; i < labels.length; i++) {
    const own = scores[i * classes + labels[i]!]!;
    let before = 0;
    for (let c = 0; c < classes; c++) {
      const other = scores[i * classes + c]!;
      if (other > own || (other === own && c < labels[i]!)) before++;
    }
    if (before < top) hits++;
  }
  return hits / labels.length;
}

function checkKnn(
  { embeddings, labels }: KnnData,
  test: Embeddings,
  { classes, ks, temperature, block }: { classes: number; ks: readonly number[]; temperature: number; block: number },
): void {
  const isCount = (value: number): boolean => Number.isInteger(value) && value > 0;
  if (ks.length === 0 || !ks.every(isCount))
    throw new ConfigError(`kNN: expected numbers of neighbours, found [${ks.join(', ')}]`);
  if (!(temperature > 0)) throw new ConfigError(`kNN: expected a temperature above 0, found ${temperature}`);
  if (!isCount(block)) throw new ConfigError(`kNN: expected a block of images, found ${block}`);
  checkEmbeddings(embeddings, 'kNN training');
  checkEmbeddings(test, 'kNN test');
  const n = countOf(embeddings);
  if (n === 0) throw new DataError('kNN: no training images');
  if (n !== labels.length) throw new DataError(`kNN: ${n} embeddings for ${labels.length} labels`);
  if (embeddings.width !== test.width)
    throw new DataError(`kNN: test embeddings of size ${test.width}, training of ${embeddings.width}`);
  for (let i = 0; i < n; i++) {
    if (!(Number.isInteger(labels[i]!) && labels[i]! >= 0 && labels[i]! < classes))
      throw new DataError(`kNN: training image ${i} has label ${labels[i]}; expected 0…${classes - 1}`);
  }
}

/** Similarities [rows, n] of test images from…from + rows with all training images; the array is used again by the next call. */
function cosines(
  train: Embeddings,
  test: Embeddings,
  normalize: boolean,
  block: number,
): (from: number, rows: number) => Float64Array {
  const n = countOf(train);
  const [nStride, width, rowsStride] = [roundUp(n, 4), roundUp(train.width, 2), roundUp(block, 2)];
  const workspace = createWorkspace([nStride * width, rowsStride * width, rowsStride * nStride]);
  const x = workspace.allocate(nStride * width);
  const queries = workspace.allocate(rowsStride * width);
  const products = workspace.allocate(rowsStride * nStride);
  fillRows(x, width, train, 0, n, normalize);
  const packed = new Float64Array(block * n);
  return (from, rows) => {
    queries.fill(0);
    fillRows(queries, width, test, from, from + rows, normalize);
    products.fill(0);
    workspace.dot({
      m: nStride,
      n: roundUp(rows, 2),
      k: width,
      a: x,
      aStride: width,
      b: queries,
      bStride: width,
      c: products,
      cRow: 1,
      cColumn: nStride,
      sign: 1,
    });
    for (let r = 0; r < rows; r++) packed.set(products.subarray(r * nStride, r * nStride + n), r * n);
    return packed;
  };
}

/** Rows from…to, divided by max(‖x‖, 1e-12) as torch's normalize. */
function fillRows(
  out: Float64Array,
  stride: number,
  { data, width }: Embeddings,
  from: number,
  to: number,
  normalize: boolean,
): void {
  for (let i = from; i < to; i++) {
    let square = 0;
    for (let d = 0; d < width; d++) square += data[i * width + d]! ** 2;
    const scale = normalize ? 1 / Math.max(Math.sqrt(square), 1e-12) : 1;
    for (let d = 0; d < width; d++) out[(i - from) * stride + d] = data[i * width + d]! * scale;
  }
}

/** Indices of the largest values by falling value, of equal ones the lower index first: a heap whose root is the worst held. */
function nearest(values: Float64Array, out: Int32Array): void {
  const k = out.length;
  const isWorse = (i: number, j: number): boolean => values[i]! < values[j]! || (values[i] === values[j] && i > j);
  const sink = (start: number, size: number): void => {
    const index = out[start]!;
    let at = start;
    for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && isWorse(out[child + 1]!, out[child]!)) child++;
      if (!isWorse(out[child]!, index)) break;
      out[at] = out[child]!;
      at = child;
    }
    out[at] = index;
  };
  for (let i = 0; i < k; i++) out[i] = i;
  for (let i = (k >> 1) - 1; i >= 0; i--) sink(i, k);
  for (let i = k; i < values.length; i++) {
    if (!isWorse(out[0]!, i)) continue;
    out[0] = i;
    sink(0, k);
  }
  for (let size = k - 1; size > 0; size--) {
    [out[0], out[size]] = [out[size]!, out[0]!]; // the worst goes last
    sink(0, size);
  }
}

/** The weights relative to the nearest one's, so that no temperature overflows; then each row's sum is 1. */
function vote(
  similarities: Float64Array,
  neighbors: Int32Array,
  labels: ArrayLike<number>,
  temperature: number,
  scores: Float64Array,
  at: number,
  classes: number,
): void {
  const largest = similarities[neighbors[0]!]!;
  let sum = 0;
  for (const i of neighbors) {
    const weight = Math.exp((similarities[i]! - largest) / temperature);
    scores[at + labels[i]!]! += weight;
    sum += weight;
  }
  for (let c = 0; c < classes; c++) scores[at + c]! /= sum;
}
