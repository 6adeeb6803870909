/**
 * Band-limited resampling by a windowed sinc, equal to torchaudio.functional.resample (after Smith, "Digital audio resampling",
 * ccrma.stanford.edu/~jos/resample). Output sample i·q + j is a dot product of one of q kernels with the input around i·p, for
 * the ratio q/p in lowest terms. torchaudio convolves with all 2·width + p taps of a kernel; the window is zero on most of
 * them, so only those under it are kept here (34 of 475 from 44.1 to 16 kHz).
 */
import { ConfigError } from '@unlabel/core';
import { besselI0 } from './window.ts';

export const resamplingMethods = ['sinc_interp_hann', 'sinc_interp_kaiser'] as const;

export interface ResampleOptions {
  /** Default 'sinc_interp_hann'. */
  readonly resamplingMethod?: (typeof resamplingMethods)[number];
  /** Zero crossings of the sinc on each side. Default 6; 'kaiser_best' 64, 'kaiser_fast' 16. */
  readonly lowpassFilterWidth?: number;
  /** Cut-off as a share of the lower Nyquist frequency. Default 0.99. */
  readonly rolloff?: number;
  /** Kaiser's shape. Default 14.769656459379492. */
  readonly beta?: number;
}

/** librosa/resampy's 'kaiser_best' and 'kaiser_fast' as torchaudio's documentation gives them. */
export const kaiserBest: ResampleOptions = {
  resamplingMethod: 'sinc_interp_kaiser',
  lowpassFilterWidth: 64,
  rolloff: 0.9475937167399596,
  beta: 14.769656459379492,
};
export const kaiserFast: ResampleOptions = { ...kaiserBest, lowpassFilterWidth: 16, rolloff: 0.8555504641634386 };

interface Kernels {
  /** Input samples per period. */
  readonly p: number;
  /** Output samples per period. */
  readonly q: number;
  /** Taps kept of each kernel. */
  readonly taps: number;
  /** Input offset, relative to i·p, of each kernel's first tap. */
  readonly firsts: Int32Array;
  /** [q, taps]. */
  readonly weights: Float32Array;
}

const MAX_TAPS = 1 << 26;
const cache = new Map<string, Kernels>();

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

function kernelsOf(from: number, to: number, options: ResampleOptions): Kernels {
  const { resamplingMethod = 'sinc_interp_hann', lowpassFilterWidth = 6, rolloff = 0.99 } = options;
  const { beta = 14.769656459379492 } = options;
  for (const rate of [from, to]) {
    if (!(Number.isInteger(rate) && rate >= 1)) {
      throw new ConfigError(`resample: rates are whole numbers of Hz ≥ 1, found ${from} → ${to}.`);
    }
  }
  if (!(Number.isInteger(lowpassFilterWidth) && lowpassFilterWidth >= 1 && rolloff > 0 && rolloff <= 1)) {
    throw new ConfigError(
      `resample: expected an integer lowpassFilterWidth ≥ 1 and 0 < rolloff ≤ 1, found ${lowpassFilterWidth} and ${rolloff}.`,
    );
  }
  const key = [from, to, resamplingMethod, lowpassFilterWidth, rolloff, beta].join(':');
  const held = cache.get(key);
  if (held !== undefined) return held;

  const divisor = gcd(from, to);
  const p = from / divisor;
  const q = to / divisor;
  const cutoff = Math.min(p, q) * rolloff;
  const reach = (lowpassFilterWidth * p) / cutoff; // input samples from a kernel's centre to where its window ends
  const taps = Math.ceil(2 * reach) + 1;
  if (q * taps > MAX_TAPS) {
    throw new ConfigError(
      `resample: ${from} → ${to} Hz needs ${q} kernels of ${taps} taps. Choose rates with a common factor.`,
    );
  }
  const firsts = new Int32Array(q);
  const weights = new Float32Array(q * taps);
  const scale = cutoff / p;
  const i0Beta = besselI0(beta);
  for (let j = 0; j < q; j++) {
    const first = Math.ceil((j * p) / q - reach);
    firsts[j] = first;
    const phase = Math.fround(j / q); // torchaudio rounds it so, which moves the taps by up to 3e-8 of a period
    for (let k = 0; k < taps; k++) {
      const t = ((first + k) / p - phase) * cutoff;
      if (Math.abs(t) >= lowpassFilterWidth) continue;
      const u = t / lowpassFilterWidth;
      const window =
        resamplingMethod === 'sinc_interp_hann'
          ? Math.cos((u * Math.PI) / 2) ** 2
          : besselI0(beta * Math.sqrt(1 - u * u)) / i0Beta;
      const x = t * Math.PI;
      weights[j * taps + k] = (x === 0 ? 1 : Math.sin(x) / x) * window * scale;
    }
  }
  const kernels = { p, q, taps, firsts, weights };
  cache.set(key, kernels);
  return kernels;
}

/**
 * The ratio q/p of `to` to `from` in lowest terms, and how many input samples a kernel reaches to either side of an output.
 * A piece of a clip that starts at a multiple of p and holds `reach` more samples at both ends resamples to exactly what
 * the whole clip does there.
 */
export function resampleRatio(
  from: number,
  to: number,
  options: ResampleOptions = {},
): { readonly p: number; readonly q: number; readonly reach: number } {
  if (from === to) return { p: 1, q: 1, reach: 0 };
  const { p, q, taps } = kernelsOf(from, to, options);
  return { p, q, reach: taps };
}

/** Samples that `samples` become: ⌈samples·to/from⌉. */
export function resampledLength(samples: number, from: number, to: number): number {
  const divisor = gcd(from, to);
  return Math.ceil((samples * (to / divisor)) / (from / divisor));
}

/**
 * audio [N] at `from` Hz → [⌈N·to/from⌉] at `to` Hz; the same array when the rates are equal. Outside the clip is silence.
 * @throws ConfigError for rates or options that cannot be used.
 */
export function resample(audio: Float32Array, from: number, to: number, options: ResampleOptions = {}): Float32Array {
  if (from === to) return audio;
  const kernels = kernelsOf(from, to, options);
  const out = new Float32Array(resampledLength(audio.length, from, to));
  convolve(audio, kernels, out);
  return out;
}

function convolve(audio: Float32Array, kernels: Kernels, out: Float32Array): void {
  const { p, q, taps, firsts, weights } = kernels;
  const n = audio.length;
  for (let base = 0, at = 0; at < out.length; base += p) {
    for (let j = 0; j < q && at < out.length; j++, at++) {
      const first = base + firsts[j]!;
      let w = j * taps;
      let sum = 0;
      if (first >= 0 && first + taps <= n) {
        for (let i = first, end = first + taps; i < end; i++, w++) sum += audio[i]! * weights[w]!;
      } else {
        const low = Math.max(0, first);
        const high = Math.min(n, first + taps);
        w += low - first;
        for (let i = low; i < high; i++, w++) sum += audio[i]! * weights[w]!;
      }
      out[at] = sum;
    }
  }
}
