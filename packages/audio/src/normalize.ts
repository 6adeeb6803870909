/**
 * Normalisation of spectrograms and waveforms: by fixed statistics of a data set, by each clip's own, or by statistics that
 * run along with training (BYOL-A). The running one is a replica; fixed statistics are the better choice.
 */
import { ConfigError, type NdArray } from '@unlabel/core';

/** (x − mean)/std in place. */
export function normalizeFixed(values: Float32Array, mean: number, std: number): Float32Array {
  if (!(std > 0 && Number.isFinite(std) && Number.isFinite(mean))) {
    throw new ConfigError(`normalize: expected a finite mean and std > 0, found mean ${mean} and std ${std}.`);
  }
  for (let i = 0; i < values.length; i++) values[i] = (values[i]! - mean) / std;
  return values;
}

/** 2(x − min)/(max − min) − 1 in place (ATST); values outside min … max leave −1 … 1. */
export function normalizeMinMax(values: Float32Array, min: number, max: number): Float32Array {
  if (!(max > min)) throw new ConfigError(`normalize: expected min < max, found ${min} and ${max}.`);
  const scale = 2 / (max - min);
  for (let i = 0; i < values.length; i++) values[i] = (values[i]! - min) * scale - 1;
  return values;
}

/** Mean and standard deviation over all values; `ddof` 1 divides by n − 1. */
export function meanAndStd(values: Float32Array, ddof: 0 | 1 = 0): { mean: number; std: number } {
  let mean = 0;
  for (let i = 0; i < values.length; i++) mean += values[i]!;
  mean /= values.length;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i]! - mean) ** 2;
  return { mean, std: Math.sqrt(squares / Math.max(1, values.length - ddof)) };
}

/** (x − mean)/√(var + eps) by the clip's own statistics, in place. A layer norm without gain over the whole clip. */
export function normalizeClip(values: Float32Array, eps = 1e-5): Float32Array {
  const { mean, std } = meanAndStd(values);
  const scale = 1 / Math.sqrt(std * std + eps);
  for (let i = 0; i < values.length; i++) values[i] = (values[i]! - mean) * scale;
  return values;
}

/** x/(‖x‖₂ + eps) in place (DECAR). */
export function normalizeL2(values: Float32Array, eps = 1e-9): Float32Array {
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += values[i]! * values[i]!;
  const scale = 1 / (Math.sqrt(squares) + eps);
  for (let i = 0; i < values.length; i++) values[i]! *= scale;
  return values;
}

export interface RunningNormOptions {
  /** Samples in an epoch; with `maxUpdateEpochs` this says when the statistics freeze. */
  readonly epochSamples: number;
  /** Default 10. */
  readonly maxUpdateEpochs?: number;
  /**
   * Replicate the counter that lags by one in LAPE's copy of the code (DeLoRes): the second sample replaces the first
   * (1, 5, 3 → 1, 5, 4). Default false, as in BYOL-A's own: the mean of all samples seen.
   */
  readonly laggingCount?: boolean;
}

export interface RunningNorm {
  /** Update (until frozen) with a spectrogram and return it normalised, as a new array. */
  apply(input: NdArray): NdArray;
  state(): { count: number; mean: number; variance: number };
  restore(state: { count: number; mean: number; variance: number }): void;
}

/** σ is floored here, as in BYOL-A: float32's epsilon. */
const MIN_STD = 1.1920928955078125e-7;

/**
 * Scalar statistics over a spectrogram's bands and frames, averaged over the samples seen so far: first the mean, then the
 * squared deviation of the sample from that running mean. Updates stop after epochSamples·maxUpdateEpochs samples.
 * BYOL-A (Niizumi et al., arXiv 2103.06695v2), nttcslab/byol-a byol_a/augmentations.py@3e65c92; LAPE uses it for DeLoRes.
 */
export function runningNorm(options: RunningNormOptions): RunningNorm {
  const { epochSamples, maxUpdateEpochs = 10, laggingCount = false } = options;
  const limit = epochSamples * maxUpdateEpochs;
  if (!(limit >= 1)) throw new ConfigError(`runningNorm: epochSamples × maxUpdateEpochs must be ≥ 1, found ${limit}.`);
  let count = 0;
  let mean = 0;
  let variance = 0;
  return {
    apply(input) {
      const { data, shape } = input;
      if (count < limit) {
        const divisor = laggingCount ? Math.max(1, count) : count + 1;
        let sum = 0;
        for (let i = 0; i < data.length; i++) sum += data[i]!;
        mean = count === 0 ? sum / data.length : mean + (sum / data.length - mean) / divisor;
        let squares = 0;
        for (let i = 0; i < data.length; i++) squares += (data[i]! - mean) ** 2;
        variance = count === 0 ? squares / data.length : variance + (squares / data.length - variance) / divisor;
        count++;
      }
      const std = Math.max(Math.sqrt(variance), MIN_STD);
      return { data: data.map((x) => (x - mean) / std), shape };
    },
    state: () => ({ count, mean, variance }),
    restore(state) {
      ({ count, mean, variance } = state);
    },
  };
}
