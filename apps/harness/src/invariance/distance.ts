/**
 * How far vectors move, by Mahalanobis' distance: √((x − y)ᵀ Σ⁻¹ (x − y)). Σ is the covariance of the unmoved vectors, shrunk by a tenth
 * towards a multiple of the identity, since there may be fewer vectors than dimensions (MT-SLVR's authors do not say how they regularise).
 *
 * Legend: n vectors, D dimensions.
 */
import { DataError } from '@unlabel/core';

const shrinkage = 0.1;

export interface Metric {
  /** Distance of two vectors [D]. */
  between(x: ArrayLike<number>, y: ArrayLike<number>): number;
}

/**
 * The metric of vectors [n, D]. Σ = c·XᵀX + a·1 with centred X, so vᵀΣ⁻¹v = (|v|² − (Xv)ᵀ(XXᵀ + (a/c)·1)⁻¹(Xv))/a (Woodbury): n × n however
 * large D is. Dimensions that never change count as the others do on average, by the multiple of the identity.
 * @throws DataError for fewer than two vectors, or all alike
 */
export function mahalanobis(data: Float32Array, width: number): Metric {
  const n = data.length / width;
  if (n < 2) throw new DataError(`invariance: ${n} clips; a covariance needs two or more. Raise --clips.`);
  const mean = new Float64Array(width);
  for (let i = 0; i < data.length; i++) mean[i % width]! += data[i]! / n;
  const centered = Float64Array.from(data, (x, i) => x - mean[i % width]!);
  let trace = 0;
  for (const x of centered) trace += (x * x) / (n - 1);
  if (!(trace > 0)) throw new DataError('invariance: the embeddings of all clips are the same.');
  const a = (shrinkage * trace) / width;
  const c = (1 - shrinkage) / (n - 1);
  const gram = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = i === j ? a / c : 0;
      for (let d = 0; d < width; d++) sum += centered[i * width + d]! * centered[j * width + d]!;
      gram[i * n + j] = sum;
    }
  }
  const factor = cholesky(gram, n);
  const off = new Float64Array(width);
  return {
    between(x, y) {
      let square = 0;
      for (let d = 0; d < width; d++) {
        off[d] = x[d]! - y[d]!;
        square += off[d]! * off[d]!;
      }
      const u = new Float64Array(n);
      for (let i = 0; i < n; i++) for (let d = 0; d < width; d++) u[i]! += centered[i * width + d]! * off[d]!;
      // uᵀK⁻¹u = |L⁻¹u|²
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < i; j++) u[i]! -= factor[i * n + j]! * u[j]!;
        u[i]! /= factor[i * n + i]!;
        square -= u[i]! * u[i]!;
      }
      return Math.sqrt(Math.max(0, square) / a);
    },
  };
}

/** Lower triangle L of a positive definite matrix [n, n] = L·Lᵀ, of which the lower triangle is read. */
function cholesky(matrix: Float64Array, n: number): Float64Array {
  const factor = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= factor[i * n + k]! * factor[j * n + k]!;
      factor[i * n + j] = i === j ? Math.sqrt(sum) : sum / factor[j * n + j]!;
    }
  }
  return factor;
}

/** 1 − cosine; 0 for two vectors of nothing but zeros, 1 where one of them is. */
export function cosineDistance(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let [xy, xx, yy] = [0, 0, 0];
  for (let d = 0; d < x.length; d++) {
    xy += x[d]! * y[d]!;
    xx += x[d]! * x[d]!;
    yy += y[d]! * y[d]!;
  }
  if (xx === 0 && yy === 0) return 0;
  return xx === 0 || yy === 0 ? 1 : 1 - xy / Math.sqrt(xx * yy);
}
