/**
 * Crops along time, of waveforms [channels, samples] and spectrograms [bands, frames] alike. What is shorter is centred in
 * zeros, the odd one to the right (BYOL-A, DeLoRes).
 */
import { ConfigError, type NdArray, type Rng } from '@unlabel/core';
import { matrixShape } from './shape.ts';

/**
 * Columns start … start + length − 1 of x [R, N] → [R, length]. For N < length, x stands in the middle of `fill`:
 * ⌊(length − N)/2⌋ on its left, and `start` must be 0.
 * @throws ConfigError when the crop does not lie in x
 */
export function crop(x: NdArray, start: number, length: number, fill = 0): NdArray {
  const [R, N] = matrixShape(x, 'crop');
  const last = Math.max(0, N - length);
  if (!(Number.isInteger(length) && length >= 1 && Number.isInteger(start) && start >= 0 && start <= last)) {
    throw new ConfigError(`crop: ${length} columns from ${start} on do not lie in an input of ${N}.`);
  }
  const data = new Float32Array(R * length);
  if (N < length && fill !== 0) data.fill(fill);
  const left = Math.max(0, Math.floor((length - N) / 2));
  const count = Math.min(length, N);
  for (let r = 0; r < R; r++) data.set(x.data.subarray(r * N + start, r * N + start + count), r * length + left);
  return { data, shape: [R, length] };
}

/** First column of a crop of `length` of N columns, uniform over all that fit; 0 for shorter inputs. */
export const drawCropStart = (N: number, length: number, rng: Rng): number => rng.int(Math.max(0, N - length) + 1);

/** x [R, N] → a random crop [R, length]. */
export function randomCrop(x: NdArray, length: number, rng: Rng, fill = 0): NdArray {
  const [, N] = matrixShape(x, 'randomCrop');
  return crop(x, drawCropStart(N, length, rng), length, fill);
}
