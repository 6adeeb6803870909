/** What the tests of this folder share. */
import { createRng, type NdArray } from '@unlabel/core';

/** Uniform noise in [−2, 2), [F, T]. */
export const noise = (F: number, T: number, label = 'x'): NdArray => {
  const rng = createRng(5).fork(label);
  return { data: Float32Array.from({ length: F * T }, () => rng.range(-2, 2)), shape: [F, T] };
};
/** The matrix as nested arrays. */
export const rows = ({ data, shape }: NdArray): number[][] =>
  Array.from({ length: shape[0]! }, (_, f) => [...data.subarray(f * shape[1]!, (f + 1) * shape[1]!)]);
/** Largest absolute difference. */
export const worst = (a: NdArray, b: number[][]): number =>
  Math.max(...rows(a).flatMap((row, f) => row.map((value, t) => Math.abs(value - b[f]![t]!))));
