/**
 * Band-limited resampling by a windowed sinc, equal to torchaudio.functional.resample (after Smith, "Digital audio resampling",
 * ccrma.stanford.edu/~jos/resample). Output sample i·q + j is a dot product of one of q kernels with the input around i·p, for
 * the ratio q/p in lowest terms. torchaudio convolves with all 2·width + p taps of a kernel; the window is zero on most of
 * them, so only those under it are kept here (34 of 475 from 44.1 to 16 kHz).
 */
import { ConfigError } from '@unlabel/core';
import { besselI0 } from './window.ts';
import { wasmMemory } from './wasm/memory.ts';

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

const MAX_TAPS = 1 << 24;
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
  const taps = 8 * Math.ceil((2 * reach + 1) / 8); // the kernels take eight at a time
  if (q * taps > MAX_TAPS) {
    throw new ConfigError(
      `resample: ${from} → ${to} Hz needs ${q} kernels of ${taps} taps. Choose rates with a common factor.`,
    );
  }
  const firsts = new Int32Array(q);
  const weights = new Float32Array(q * taps);
  const scale = cutoff / p;
  const cutoff32 = Math.fround(cutoff);
  const i0Beta = besselI0(beta);
  for (let j = 0; j < q; j++) {
    const first = Math.ceil((j * p) / q - reach);
    firsts[j] = first;
    const phase = Math.fround(j / q);
    for (let k = 0; k < taps; k++) {
      // positions in float32, as torchaudio.functional.resample has them: they move taps by up to 1e-7 of a period
      const t = Math.fround(Math.fround(Math.fround((first + k) / p) - phase) * cutoff32);
      if (Math.abs(t) >= lowpassFilterWidth) continue;
      const u = t / lowpassFilterWidth;
      const window =
        resamplingMethod === 'sinc_interp_hann'
          ? Math.cos((u * Math.PI) / 2) ** 2
          : besselI0(beta * Math.sqrt(1 - u * u)) / i0Beta;
      const x = Math.fround(t * Math.fround(Math.PI));
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

/** Output samples computed at a time in the kernels' memory, and input samples staged for them. */
const CHUNK = 16384;

interface Tables {
  readonly firsts: number;
  readonly weights: number;
  /** ≤ 0: where the first kernel starts, relative to a period. */
  readonly lead: number;
  /** Input samples that a period's kernels cover. */
  readonly reach: number;
}
const tables = new WeakMap<Kernels, Tables>();

/** The kernels in the memory of the SIMD code; first taps in bytes from `lead` on. */
function tablesOf(kernels: Kernels): Tables {
  const held = tables.get(kernels);
  if (held) return held;
  const memory = wasmMemory();
  const { firsts, weights, taps } = kernels;
  const lead = firsts.reduce((least, first) => Math.min(least, first), 0);
  const reach = firsts.reduce((most, first) => Math.max(most, first), 0) - lead + taps;
  const made = {
    firsts: memory.allocate(4 * firsts.length),
    weights: memory.allocate(4 * weights.length),
    lead,
    reach,
  };
  memory.i32.set(
    firsts.map((first) => 4 * (first - lead)),
    made.firsts / 4,
  );
  memory.f32.set(weights, made.weights / 4);
  tables.set(kernels, made);
  return made;
}

function convolve(audio: Float32Array, kernels: Kernels, out: Float32Array): void {
  const { p, q, taps } = kernels;
  const memory = wasmMemory();
  const { firsts, weights, lead, reach } = tablesOf(kernels);
  const periods = Math.max(1, Math.min(Math.floor(CHUNK / q), Math.floor((8 * CHUNK) / p)));
  const staged = memory.scratch(4 * ((periods - 1) * p + reach + periods * q));
  const results = staged + 4 * ((periods - 1) * p + reach);
  const { f32 } = memory;
  for (let at = 0, base = lead; at < out.length; at += periods * q, base += periods * p) {
    const count = Math.min(periods, Math.ceil((out.length - at) / q));
    const needed = (count - 1) * p + reach;
    const from = Math.min(audio.length, Math.max(0, base));
    const to = Math.max(from, Math.min(audio.length, base + needed));
    const input = f32.subarray(staged / 4, staged / 4 + needed);
    input.fill(0, 0, from - base);
    input.set(audio.subarray(from, to), from - base);
    input.fill(0, to - base);
    memory.kernels.resamplePeriods(staged, firsts, weights, results, q, 4 * taps, 4 * p, count);
    const produced = Math.min(count * q, out.length - at);
    out.set(f32.subarray(results / 4, results / 4 + produced), at);
  }
}
