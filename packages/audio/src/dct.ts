/** The discrete cosine transform of type II as a matrix, for cepstra. */

const cache = new Map<string, Float64Array>();

/**
 * DCT-II rows 0 … rows−1 over n values → [rows, n], row-major; shared: do not write into it.
 * 'ortho' is the orthonormal transform (torchaudio's and librosa's default); 'none' is twice the plain sum of cosines.
 */
export function dctMatrix(rows: number, n: number, norm: 'ortho' | 'none' = 'ortho'): Float64Array {
  const key = `${rows}:${n}:${norm}`;
  let matrix = cache.get(key);
  if (matrix === undefined) {
    matrix = new Float64Array(rows * n);
    for (let k = 0; k < rows; k++) {
      const gain = norm === 'none' ? 2 : Math.sqrt((k === 0 ? 1 : 2) / n);
      for (let i = 0; i < n; i++) matrix[k * n + i] = gain * Math.cos((Math.PI * k * (i + 0.5)) / n);
    }
    cache.set(key, matrix);
  }
  return matrix;
}
