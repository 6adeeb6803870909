/**
 * Short-time Fourier transform and its inverse, with the meaning and options of torch.stft and torch.istft (librosa.stft is
 * the same with padMode 'constant'). Shape letters: K = nFft/2 + 1 bins (nFft when two-sided), T frames.
 */
import { ConfigError, DataError, type NdArray } from '@unlabel/core';
import { realFft } from './fft.ts';
import { framePlan, type FrameOptions } from './frames.ts';

export interface StftOptions extends FrameOptions {
  /** Divide by √nFft. Default false. */
  readonly normalized?: boolean;
  /** Bins 0 … nFft/2 only. Default true. */
  readonly onesided?: boolean;
}

/**
 * audio [N] → spectrum [K, T, 2] = (re, im). Short clips: see `framePlan`.
 * @throws ConfigError for impossible lengths, DataError for an empty clip.
 */
export function stft(audio: Float32Array, options: StftOptions): NdArray {
  const plan = framePlan(options);
  const fft = realFft(plan.nFft);
  const frames = plan.framesOf(audio.length);
  const { onesided = true, normalized = false } = options;
  const bins = onesided ? fft.bins : plan.nFft;
  const scale = normalized ? 1 / Math.sqrt(plan.nFft) : 1;
  const data = new Float32Array(bins * frames * 2);
  const spectrum = new Float64Array(2 * fft.bins);
  for (let t = 0; t < frames; t++) {
    plan.read(audio, t, fft.input);
    fft.spectrum(spectrum);
    for (let k = 0; k < bins; k++) {
      const at = 2 * (k * frames + t);
      const mirrored = k >= fft.bins;
      const from = 2 * (mirrored ? plan.nFft - k : k);
      data[at] = spectrum[from]! * scale;
      data[at + 1] = (mirrored ? -spectrum[from + 1]! : spectrum[from + 1]!) * scale;
    }
  }
  return { data, shape: [bins, frames, 2] };
}

export interface IstftOptions extends Omit<StftOptions, 'padMode' | 'pad'> {
  /** Samples to return; longer than the frames reach is filled with zeros. Default all that the frames cover. */
  readonly length?: number;
}

/**
 * spectrum [K, T, 2] → audio [N]: overlap-add of windowed inverse frames over the sum of squared windows, the least-squares
 * inverse (Griffin and Lim, "Signal estimation from modified short-time Fourier transform", 1984, Eq. 6).
 * @throws DataError when the shape is not that of such a spectrum, or the windows leave a sample uncovered.
 */
export function istft(spectrum: NdArray, options: IstftOptions): Float32Array {
  const plan = framePlan(options);
  const { nFft, hopLength, window } = plan;
  const fft = realFft(nFft);
  const { onesided = true, normalized = false, length } = options;
  const [bins = 0, frames = 0, parts = 0] = spectrum.shape;
  const expected = onesided ? fft.bins : nFft;
  if (spectrum.shape.length !== 3 || bins !== expected || parts !== 2 || frames < 1) {
    throw new DataError(`istft: expected a spectrum [${expected}, T, 2], found [${spectrum.shape.join(', ')}].`);
  }
  if (length !== undefined && !(Number.isInteger(length) && length >= 0)) {
    throw new ConfigError(`istft: length must be an integer ≥ 0, found ${length}.`);
  }
  const scale = normalized ? Math.sqrt(nFft) : 1;
  const total = nFft + hopLength * (frames - 1);
  const sum = new Float64Array(total);
  const weight = new Float64Array(total);
  const column = new Float64Array(2 * fft.bins);
  const frame = new Float64Array(nFft);
  for (let t = 0; t < frames; t++) {
    for (let k = 0; k < fft.bins; k++) {
      column[2 * k] = spectrum.data[2 * (k * frames + t)]! * scale;
      column[2 * k + 1] = spectrum.data[2 * (k * frames + t) + 1]! * scale;
    }
    fft.inverse(column, frame);
    for (let i = 0, at = t * hopLength; i < nFft; i++, at++) {
      sum[at]! += frame[i]! * window[i]!;
      weight[at]! += window[i]! * window[i]!;
    }
  }
  const start = plan.center ? Math.floor(nFft / 2) : 0;
  const covered = total - (plan.center ? Math.floor(nFft / 2) : 0);
  const end = length === undefined ? covered : start + length;
  const audio = new Float32Array(Math.max(0, end - start));
  for (let at = start; at < Math.min(end, length === undefined ? covered : total); at++) {
    if (weight[at]! < 1e-11) {
      throw new DataError(`istft: no window covers sample ${at - start}. Use a smaller hopLength, or center: true.`);
    }
    audio[at - start] = sum[at]! / weight[at]!;
  }
  return audio;
}
