/**
 * Short-time Fourier transform and its inverse, with the meaning and options of torch.stft and torch.istft (librosa.stft is
 * the same with padMode 'constant'). Shape letters: K = nFft/2 + 1 bins (nFft when two-sided), T frames.
 */
import { ConfigError, DataError, type NdArray } from '@unlabel/core';
import { realFft } from './fft.ts';
import { framePlan, type FrameOptions } from './frames.ts';
import { framePairs } from './pair-frames.ts';

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

/** Puts audio together from the spectra of its frames, two after the other at a time: the inverse of `stft`. */
export interface Synthesis {
  /** The spectra of the next two frames, side by side as `FramePairs` has them: re, im [2·(nFft/2 + 1)]. */
  add(re: Float64Array, im: Float64Array): void;
  /**
   * What the frames make; `length` samples, filled with zeros where they do not reach. Default all that they cover.
   * @throws DataError when the windows leave a sample uncovered
   */
  audio(length?: number): Float32Array;
}

/**
 * Overlap-add of windowed inverse frames over the sum of squared windows, the least-squares inverse (Griffin and Lim, "Signal estimation
 * from modified short-time Fourier transform", 1984, Eq. 6), of `frames` frames; what an odd number leaves of the last pair is not used.
 * `scratch`: where it adds up, if it is long enough; its caller's again after `audio`.
 * @throws ConfigError for impossible lengths
 */
export function synthesis(
  options: Omit<FrameOptions, 'padMode' | 'pad'>,
  frames: number,
  scratch?: Float64Array,
): Synthesis {
  // prettier-ignore
  const plan = framePlan(options);
  const { nFft, hopLength, window, center } = plan;
  const pairs = framePairs(plan);
  const total = nFft + hopLength * (frames - 1);
  const sum = scratch && scratch.length >= total ? scratch.fill(0, 0, total) : new Float64Array(total);
  const both = new Float64Array(2 * nFft);
  let next = 0;
  /** Σ w² of the frames over a sample. */
  const weightAt = (at: number): number => {
    let weight = 0;
    const last = Math.min(frames - 1, Math.floor(at / hopLength));
    for (let t = Math.max(0, Math.ceil((at - nFft + 1) / hopLength)); t <= last; t++) {
      const w = window[at - t * hopLength]!;
      weight += w * w;
    }
    return weight;
  };
  return {
    add(re, im) {
      pairs.inverse(re, im, both);
      for (let lane = 0; lane < 2 && next < frames; lane++, next++) {
        for (let i = 0, at = next * hopLength; i < nFft; i++, at++) sum[at]! += both[2 * i + lane]! * window[i]!;
      }
    },
    audio(length) {
      const start = center ? Math.floor(nFft / 2) : 0;
      const covered = total - start;
      const end = length === undefined ? covered : start + length;
      const audio = new Float32Array(Math.max(0, end - start));
      // where no frame is missing at either end, every hop has the weights of the hop before
      const [inner, outer] = [nFft - 1, hopLength * frames];
      const held = new Float64Array(inner + hopLength <= outer ? hopLength : 0);
      for (let i = 0; i < held.length; i++) held[(inner + i) % hopLength] = weightAt(inner + i);
      for (let at = start; at < Math.min(end, length === undefined ? covered : total); at++) {
        const weight = held.length > 0 && at >= inner && at < outer ? held[at % hopLength]! : weightAt(at);
        if (weight < 1e-11) {
          throw new DataError(
            `istft: no window covers sample ${at - start}. Use a smaller hopLength, or center: true.`,
          );
        }
        audio[at - start] = sum[at]! / weight;
      }
      return audio;
    },
  };
}

export interface IstftOptions extends Omit<StftOptions, 'padMode' | 'pad'> {
  /** Samples to return; longer than the frames reach is filled with zeros. Default all that the frames cover. */
  readonly length?: number;
}

/**
 * spectrum [K, T, 2] → audio [N], as `synthesis` does it.
 * @throws DataError when the shape is not that of such a spectrum, or the windows leave a sample uncovered.
 */
export function istft(spectrum: NdArray, options: IstftOptions): Float32Array {
  const { nFft } = options;
  const { bins: half } = realFft(nFft);
  const { onesided = true, normalized = false, length } = options;
  const [bins = 0, frames = 0, parts = 0] = spectrum.shape;
  const expected = onesided ? half : nFft;
  if (spectrum.shape.length !== 3 || bins !== expected || parts !== 2 || frames < 1) {
    throw new DataError(`istft: expected a spectrum [${expected}, T, 2], found [${spectrum.shape.join(', ')}].`);
  }
  if (length !== undefined && !(Number.isInteger(length) && length >= 0)) {
    throw new ConfigError(`istft: length must be an integer ≥ 0, found ${length}.`);
  }
  const scale = normalized ? Math.sqrt(nFft) : 1;
  const out = synthesis(options, frames);
  const [re, im] = [new Float64Array(2 * half), new Float64Array(2 * half)];
  for (let t = 0; t < frames; t++) {
    for (let k = 0; k < half; k++) {
      re[2 * k + (t % 2)] = spectrum.data[2 * (k * frames + t)]! * scale;
      im[2 * k + (t % 2)] = spectrum.data[2 * (k * frames + t) + 1]! * scale;
    }
    if (t % 2 === 1 || t === frames - 1) out.add(re, im);
  }
  return out.audio(length);
}
