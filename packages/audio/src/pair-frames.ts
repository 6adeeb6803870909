/**
 * Spectra of frames and back, two frames at a time: the values of both stand side by side, x[2·k] and x[2·k + 1]. Powers of two run in the
 * SIMD kernels, other lengths through `realFft`; both in float64, and equal to rounding.
 *
 * Legend: K = nFft/2 + 1 bins.
 */
import { realFft } from './fft.ts';
import { passTwiddles } from './fft-passes.ts';
import type { FramePlan } from './frames.ts';
import { wasmMemory } from './wasm/memory.ts';
import { halvedWindow, hasPairSpectrum, pairSpectrum } from './wasm/pair-spectrum.ts';

export interface FramePairs {
  /** K */
  readonly bins: number;
  /** Spectra of the windowed frames `first` and first + 1 of a clip into re, im [2·K]; of frames that the plan has not: zeros. */
  spectra(audio: Float32Array, first: number, re: Float64Array, im: Float64Array): void;
  /** The samples of two spectra into out [2·nFft]; the imaginary parts of bin 0 and of nFft/2 are taken as zero. */
  inverse(re: Float64Array, im: Float64Array, out: Float64Array): void;
}

export const framePairs = (plan: FramePlan): FramePairs =>
  hasPairSpectrum(plan.nFft) ? pairsInKernels(plan) : pairsByFrame(plan);

/** One frame after the other. */
export function pairsByFrame(plan: FramePlan): FramePairs {
  const fft = realFft(plan.nFft);
  const spectrum = new Float64Array(2 * fft.bins);
  const frame = new Float64Array(plan.nFft);
  return {
    bins: fft.bins,
    spectra(audio, first, re, im) {
      const frames = plan.framesOf(audio.length);
      for (const lane of [0, 1]) {
        if (first + lane < frames) {
          plan.read(audio, first + lane, fft.input);
          fft.spectrum(spectrum);
        } else spectrum.fill(0);
        for (let k = 0; k < fft.bins; k++) {
          re[2 * k + lane] = spectrum[2 * k]!;
          im[2 * k + lane] = spectrum[2 * k + 1]!;
        }
      }
    },
    inverse(re, im, out) {
      for (const lane of [0, 1]) {
        for (let k = 0; k < fft.bins; k++) {
          spectrum[2 * k] = re[2 * k + lane]!;
          spectrum[2 * k + 1] = im[2 * k + lane]!;
        }
        fft.inverse(spectrum, frame);
        for (let i = 0; i < plan.nFft; i++) out[2 * i + lane] = frame[i]!;
      }
    },
  };
}

/** A real transform of n samples as a complex one of n/2, as in `fft.ts`, of both frames in one. */
function pairsInKernels(plan: FramePlan): FramePairs {
  const { nFft } = plan;
  const half = nFft / 2;
  const spectrum = pairSpectrum(nFft);
  const twiddles = passTwiddles(2, half); // e^(−2πi·k/nFft)
  const window = halvedWindow(plan.window);
  return {
    bins: half + 1,
    spectra(audio, first, re, im) {
      const frames = plan.framesOf(audio.length);
      const memory = wasmMemory();
      const staged = memory.scratch(8 * nFft);
      const { f32 } = memory;
      for (const lane of [0, 1]) {
        const at = staged / 4 + lane * nFft;
        if (first + lane < frames) plan.copy(audio, first + lane, nFft, f32, at);
        else f32.fill(0, at, at + nFft);
      }
      memory.kernels.windowPair(staged, staged + 4 * nFft, window, spectrum.input, nFft);
      unravel(memory.f64, spectrum.transform() / 8, half, twiddles, re, im);
    },
    inverse(re, im, out) {
      const memory = wasmMemory();
      ravel(re, im, half, twiddles, memory.f64, spectrum.input / 8);
      const at = spectrum.transform() / 8;
      const { f64 } = memory;
      const scale = 1 / nFft; // exact: a power of two
      for (let i = 0; i < 4 * half; i += 4) {
        out[i] = f64[at + i]! * scale;
        out[i + 1] = f64[at + i + 1]! * scale;
        out[i + 2] = f64[at + i + 2]! * -scale;
        out[i + 3] = f64[at + i + 3]! * -scale;
      }
    },
  };
}

/** The transform of samples packed in pairs (of halved frames) → the spectra. */
function unravel(
  z: Float64Array,
  at: number,
  half: number,
  twiddles: Float64Array,
  re: Float64Array,
  im: Float64Array,
): void {
  for (let k = 1; 2 * k <= half; k++) {
    const wr = twiddles[2 * k]!;
    const wi = twiddles[2 * k + 1]!;
    for (let lane = 0; lane < 2; lane++) {
      const i = at + 4 * k + lane;
      const j = at + 4 * (half - k) + lane;
      const sr = z[i]! + z[j]!;
      const si = z[i + 2]! - z[j + 2]!;
      const dr = z[i + 2]! + z[j + 2]!;
      const di = z[j]! - z[i]!;
      const tr = dr * wr - di * wi;
      const ti = dr * wi + di * wr;
      re[2 * k + lane] = sr + tr;
      im[2 * k + lane] = si + ti;
      re[2 * (half - k) + lane] = sr - tr;
      im[2 * (half - k) + lane] = ti - si;
    }
  }
  for (let lane = 0; lane < 2; lane++) {
    const a = 2 * z[at + lane]!;
    const b = 2 * z[at + 2 + lane]!;
    re[lane] = a + b;
    im[lane] = 0;
    re[2 * half + lane] = a - b;
    im[2 * half + lane] = 0;
  }
}

/** Spectra → what a forward transform turns into their samples, conjugated, times nFft. */
function ravel(
  re: Float64Array,
  im: Float64Array,
  half: number,
  twiddles: Float64Array,
  z: Float64Array,
  at: number,
): void {
  for (let k = 0; k < half; k++) {
    const wr = twiddles[2 * k]!;
    const wi = twiddles[2 * k + 1]!;
    for (let lane = 0; lane < 2; lane++) {
      const i = 2 * k + lane;
      const j = 2 * (half - k) + lane;
      const ai = k === 0 ? 0 : im[i]!;
      const bi = k === 0 ? 0 : im[j]!;
      const sr = re[i]! + re[j]!;
      const si = ai - bi;
      const dr = re[i]! - re[j]!;
      const di = ai + bi;
      const tr = dr * wr + di * wi; // times conj(w^k)
      const ti = di * wr - dr * wi;
      z[at + 4 * k + lane] = sr - ti;
      z[at + 4 * k + 2 + lane] = -(si + tr);
    }
  }
}
