/** Blocked Cholesky factorisation and triangular solves over the SIMD kernel. Matrices are s × s rows, s a multiple of 4. */
import type { Workspace } from './kernel.ts';

/** Rows a block: above the kernel's four, small enough that the scalar corners stay cheap. */
const BLOCK = 16;

/**
 * Factors the symmetric positive definite matrix whose lower triangle is in `matrix` [s, s] as L·Lᵀ, in place: L below and on
 * the diagonal, Lᵀ above it, so that both substitutions run along rows.
 */
export function cholesky({ dot }: Workspace, matrix: Float64Array, s: number): void {
  for (let j0 = 0; j0 < s; j0 += BLOCK) {
    const j1 = Math.min(j0 + BLOCK, s);
    const rows = matrix.subarray(j0 * s);
    const c = matrix.subarray(j0 * s + j0);
    dot({ m: s - j0, n: j1 - j0, k: j0, a: rows, aStride: s, b: rows, bStride: s, c, cRow: s, cColumn: 1, sign: -1 });
    for (let i = j0; i < s; i++) {
      for (let j = j0; j < Math.min(j1, i + 1); j++) {
        let sum = matrix[i * s + j]!;
        for (let p = j0; p < j; p++) sum -= matrix[i * s + p]! * matrix[j * s + p]!;
        // A pivot that rounding made non-positive belongs to a direction of no variance: the floor leaves it alone.
        matrix[i * s + j] = i === j ? Math.sqrt(Math.max(sum, 1e-300)) : sum / matrix[j * s + j]!;
      }
    }
  }
  for (let i = 0; i < s; i++) for (let j = 0; j < i; j++) matrix[j * s + i] = matrix[i * s + j]!;
}

/** L x = b for each row of `vectors` [k, s] (k even), in place. `factor` is from `cholesky`. */
export function solveLower(
  { dot }: Workspace,
  factor: Float64Array,
  s: number,
  vectors: Float64Array,
  k: number,
): void {
  for (let i0 = 0; i0 < s; i0 += BLOCK) {
    const i1 = Math.min(i0 + BLOCK, s);
    const a = factor.subarray(i0 * s);
    const c = vectors.subarray(i0);
    dot({ m: i1 - i0, n: k, k: i0, a, aStride: s, b: vectors, bStride: s, c, cRow: 1, cColumn: s, sign: -1 });
    for (let v = 0; v < k * s; v += s) {
      for (let i = i0; i < i1; i++) {
        let sum = vectors[v + i]!;
        for (let j = i0; j < i; j++) sum -= factor[i * s + j]! * vectors[v + j]!;
        vectors[v + i] = sum / factor[i * s + i]!;
      }
    }
  }
}

/** Lᵀ x = b for each row of `vectors` [k, s] (k even), in place. `factor` is from `cholesky`. */
export function solveUpper(
  { dot }: Workspace,
  factor: Float64Array,
  s: number,
  vectors: Float64Array,
  k: number,
): void {
  for (let i1 = s; i1 > 0;) {
    const i0 = Math.floor((i1 - 1) / BLOCK) * BLOCK;
    if (i1 < s) {
      const a = factor.subarray(i0 * s + i1);
      const b = vectors.subarray(i1);
      const c = vectors.subarray(i0);
      dot({ m: i1 - i0, n: k, k: s - i1, a, aStride: s, b, bStride: s, c, cRow: 1, cColumn: s, sign: -1 });
    }
    for (let v = 0; v < k * s; v += s) {
      for (let i = i1 - 1; i >= i0; i--) {
        let sum = vectors[v + i]!;
        for (let j = i + 1; j < i1; j++) sum -= factor[i * s + j]! * vectors[v + j]!;
        vectors[v + i] = sum / factor[i * s + i]!;
      }
    }
    i1 = i0;
  }
}
