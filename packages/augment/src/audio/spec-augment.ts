/**
 * SpecAugment's masks: bands and spans of time of a spectrogram are replaced by a constant. Park et al., "SpecAugment",
 * Interspeech 2019, arXiv 1904.08779v3, §2: a frequency mask covers f bands from f₀ with f uniform in 0…F and f₀ uniform in
 * 0…ν − f; a time mask likewise, and at most a share p of the frames. Time warping is left out (the paper finds it to matter
 * least). DECAR v1 uses two of each, F 30 and T 40, filled with the mean.
 */
import { ConfigError, type NdArray, type Rng } from '@unlabel/core';
import { matrixShape } from './shape.ts';

export interface SpecAugmentOptions {
  /** Default 2. */
  readonly freqMasks?: number;
  /** Most bands under a frequency mask (the paper's F). Default 30. */
  readonly maxBands?: number;
  /** Default 2. */
  readonly timeMasks?: number;
  /** Most frames under a time mask (the paper's T). Default 40. */
  readonly maxFrames?: number;
  /** Most of a clip's frames under one time mask (the paper's p). Default 1. */
  readonly maxTimeShare?: number;
  /** What fills the masks: the spectrogram's mean before masking (default), or a value. */
  readonly fill?: 'mean' | number;
}

/** Rows (bands) or columns (frames) start … start + size − 1. */
export interface Mask {
  readonly axis: 'freq' | 'time';
  readonly start: number;
  readonly size: number;
}

/** x [F, T] → a copy with the masks filled. @throws ConfigError for a mask outside x */
export function applyMasks(x: NdArray, masks: readonly Mask[], fill: 'mean' | number = 'mean'): NdArray {
  const [F, T] = matrixShape(x, 'specAugment');
  const data = x.data.slice();
  const value = fill === 'mean' ? x.data.reduce((sum, v) => sum + v, 0) / x.data.length : fill;
  for (const { axis, start, size } of masks) {
    const length = axis === 'freq' ? F : T;
    if (!(Number.isInteger(start) && Number.isInteger(size) && start >= 0 && size >= 0 && start + size <= length)) {
      throw new ConfigError(
        `specAugment: mask ${start} + ${size} lies outside the ${length} positions of axis '${axis}'.`,
      );
    }
    if (axis === 'freq') data.fill(value, start * T, (start + size) * T);
    else for (let f = 0; f < F; f++) data.fill(value, f * T + start, f * T + start + size);
  }
  return { data, shape: [F, T] };
}

/** Masks for an input of F bands and T frames: frequency first. */
export function drawMasks(F: number, T: number, rng: Rng, options: SpecAugmentOptions = {}): Mask[] {
  const { freqMasks = 2, maxBands = 30, timeMasks = 2, maxFrames = 40, maxTimeShare = 1 } = options;
  const draw = (axis: Mask['axis'], length: number, most: number): Mask => {
    const size = rng.int(Math.min(length, Math.floor(most)) + 1);
    return { axis, start: rng.int(length - size + 1), size };
  };
  return [
    ...Array.from({ length: freqMasks }, () => draw('freq', F, maxBands)),
    ...Array.from({ length: timeMasks }, () => draw('time', T, Math.min(maxFrames, maxTimeShare * T))),
  ];
}

/** x [F, T] → [F, T] with random masks. */
export function specAugment(x: NdArray, rng: Rng, options: SpecAugmentOptions = {}): NdArray {
  const [F, T] = matrixShape(x, 'specAugment');
  return applyMasks(x, drawMasks(F, T, rng, options), options.fill);
}
