/**
 * Normalised embeddings held row by row and column by column, and their two products, for many vectors at once: the hot loops
 * of the SVM. Legend: n images, D embedding size with the bias, P problems.
 */
import type { Embeddings } from '../embeddings.ts';
import { cholesky, solveLower, solveUpper } from '../linalg/cholesky.ts';
import { createWorkspace, roundUp, type Workspace } from '../linalg/kernel.ts';

/** Columns of a product summed at a time: four rows of them stay in the first-level cache beside the vectors' in the second. */
const BLOCK = 512;

export interface Rows {
  readonly n: number;
  /** Embedding size and one for the bias. */
  readonly width: number;
  /** Row strides of what the products take and give: n and width with padding, which is 0. */
  readonly nStride: number;
  readonly widthStride: number;
  /** Vectors that a product takes at most. */
  readonly capacity: number;
  /** Operands of `scores`: P rows of `widthStride`. */
  readonly vectors: Float64Array;
  /** Result of `scores` and operand of `gather`: P rows of `nStride`. */
  readonly images: Float64Array;
  /** Result of `gather`: P rows of `widthStride`. */
  readonly gathered: Float64Array;
  /** images[p, i] = x_i · vectors[p] for the first `count` problems. */
  scores(count: number): void;
  /** gathered[p] = Σ_i images[p, i] · x_i for the first `count` problems. */
  gather(count: number): void;
  /** Most images that `solveActive` takes. */
  readonly mostActive: number;
  /** β of (K + diag(1 / curvature)) β = target over the images listed, K their inner products. */
  solveActive(active: Int32Array, curvature: Float64Array, target: (i: number) => number): Float64Array;
}

/** x / (‖x‖ + 1e-5) in float64 with a 1 for the bias at the end, as VISSL normalises and LIBLINEAR regularises. */
export function normalizedRow({ data, width }: Embeddings, i: number, out: Float64Array, at: number): void {
  let square = 0;
  for (let d = 0; d < width; d++) square += data[i * width + d]! ** 2;
  const scale = 1 / (Math.sqrt(square) + 1e-5);
  for (let d = 0; d < width; d++) out[at + d] = data[i * width + d]! * scale;
  out[at + width] = 1;
}

/** Active images that a factorisation takes at most, for its matrix (134 MB). */
const MOST_ACTIVE = 4096;
/** Images whose inner products fit into memory beside the images themselves (1.2 GB). */
const MOST_GRAM = 12_000;

/** @throws ConfigError when the images need more memory than there is room for */
export function createRows(embeddings: Embeddings, capacity: number): Rows {
  const width = embeddings.width + 1;
  const n = embeddings.data.length / embeddings.width;
  const [nStride, widthStride, P] = [roundUp(n, 4), roundUp(width, 4), roundUp(capacity, 2)];
  const mostActive = n > MOST_GRAM ? 0 : Math.min(MOST_ACTIVE, nStride);
  const matrix = nStride * widthStride;
  const operands = [matrix, matrix, P * widthStride, P * nStride, P * widthStride];
  const forActive = mostActive === 0 ? [0, 0, 0] : [nStride * nStride, mostActive * mostActive, 2 * mostActive];
  const sizes = [...operands, ...forActive];
  const workspace = createWorkspace(sizes);
  const arrays = sizes.map((size) => workspace.allocate(size));
  const [x, xt, vectors, images, gathered, gram, system, solution] = arrays as [...Tuple4, ...Tuple4];
  let hasGram = false;
  for (let i = 0; i < n; i++) normalizedRow(embeddings, i, x, i * widthStride);
  transpose(x, n, width, widthStride, xt, nStride);
  return {
    n,
    width,
    nStride,
    widthStride,
    capacity: P,
    vectors,
    images,
    gathered,
    scores: (count) => product(workspace, x, nStride, widthStride, vectors, roundUp(count, 2), images),
    gather: (count) => product(workspace, xt, widthStride, nStride, images, roundUp(count, 2), gathered),
    mostActive,
    solveActive(active, curvature, target) {
      if (!hasGram) fillGram(workspace, x, nStride, widthStride, gram);
      hasGram = true;
      const s = roundUp(active.length, 4);
      fillSystem(system, s, gram, nStride, active, curvature);
      solution.fill(0, 0, 2 * s); // the substitutions take two vectors; the second stays 0
      active.forEach((i, row) => (solution[row] = target(i)));
      cholesky(workspace, system, s);
      solveLower(workspace, system, s, solution, 2);
      solveUpper(workspace, system, s, solution, 2);
      return solution.slice(0, active.length);
    },
  };
}

type Tuple4 = [Float64Array, Float64Array, Float64Array, Float64Array];

/** gram = X·Xᵀ by strips of columns, the lower triangle and what shares a strip with it. */
function fillGram({ dot }: Workspace, x: Float64Array, n: number, k: number, gram: Float64Array): void {
  const strip = 64;
  for (let j = 0; j < n; j += strip) {
    const columns = Math.min(strip, n - j);
    const rows = x.subarray(j * k);
    for (let from = 0; from < k; from += BLOCK) {
      dot({
        m: n - j,
        n: columns,
        k: Math.min(BLOCK, k - from),
        a: rows.subarray(from),
        aStride: k,
        b: rows.subarray(from),
        bStride: k,
        c: gram.subarray(j * n + j),
        cRow: n,
        cColumn: 1,
        sign: 1,
      });
    }
  }
}

/** Lower triangle of K + diag(1 / curvature) over the active images, which ascend; padding is the identity. */
function fillSystem(
  system: Float64Array,
  s: number,
  gram: Float64Array,
  n: number,
  active: Int32Array,
  curvature: Float64Array,
): void {
  system.fill(0, 0, s * s);
  for (let r = 0; r < s; r++) {
    if (r >= active.length) {
      system[r * s + r] = 1;
      continue;
    }
    const row = active[r]! * n;
    for (let c = 0; c <= r; c++) system[r * s + c] = gram[row + active[c]!]!;
    system[r * s + r]! += 1 / curvature[active[r]!]!;
  }
}

function transpose(
  x: Float64Array,
  n: number,
  width: number,
  stride: number,
  out: Float64Array,
  outStride: number,
): void {
  const tile = 32;
  for (let i0 = 0; i0 < n; i0 += tile) {
    for (let d0 = 0; d0 < width; d0 += tile) {
      for (let i = i0; i < Math.min(n, i0 + tile); i++)
        for (let d = d0; d < Math.min(width, d0 + tile); d++) out[d * outStride + i] = x[i * stride + d]!;
    }
  }
}

/** out[p, i] = a[i] · b[p]: a [m, k], b [count, k], out [count, m], rows of their lengths. */
function product(
  { dot }: Workspace,
  a: Float64Array,
  m: number,
  k: number,
  b: Float64Array,
  count: number,
  out: Float64Array,
): void {
  out.fill(0, 0, count * m);
  for (let from = 0; from < k; from += BLOCK) {
    dot({
      m,
      n: count,
      k: Math.min(BLOCK, k - from),
      a: a.subarray(from),
      aStride: k,
      b: b.subarray(from),
      bStride: k,
      c: out,
      cRow: 1,
      cColumn: m,
      sign: 1,
    });
  }
}
