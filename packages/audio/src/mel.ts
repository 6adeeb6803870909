/**
 * Mel filter banks, kept sparse: a triangle covers few bins. Scales: HTK (2595·log10(1 + f/700), torchaudio's default),
 * Slaney (linear below 1 kHz, logarithmic above: librosa's default) and Kaldi (1127·ln(1 + f/700), HTK's up to rounding).
 * Triangles are straight lines over frequency in torchaudio and librosa, over mel in Kaldi and TensorFlow.
 */
import { ConfigError, type NdArray } from '@unlabel/core';

export const melScales = ['htk', 'slaney', 'kaldi'] as const;
export type MelScale = (typeof melScales)[number];

export interface MelBankOptions {
  /** Hz. */
  readonly sampleRate: number;
  /** Bins of the spectrum, nFft/2 + 1. */
  readonly bins: number;
  readonly nMels: number;
  /** Hz; default 0. */
  readonly fMin?: number;
  /** Hz; default half the sample rate. */
  readonly fMax?: number;
  /** Default 'htk'. */
  readonly melScale?: MelScale;
  /** 'slaney' divides each triangle by half its width in Hz. Default 'none': peaks of 1. */
  readonly melNorm?: 'none' | 'slaney';
  /** Over what the triangles are straight. Default 'hz'. */
  readonly triangles?: 'hz' | 'mel';
}

/** Row m of the bank is weights[offsets[m] … offsets[m+1]) on the bins from starts[m]. */
export interface MelBank {
  readonly nMels: number;
  readonly bins: number;
  readonly starts: Int32Array;
  readonly offsets: Int32Array;
  readonly weights: Float64Array;
}

/** Slaney's scale breaks from linear to logarithmic at 1000 Hz = 15 mel; 27 steps then span a factor of 6.4. */
const SLANEY_BREAK_HZ = 1000;
const SLANEY_HZ_PER_MEL = 200 / 3;
const SLANEY_LOG_STEP = Math.log(6.4) / 27;

/** Frequency in Hz → mel. */
export function hzToMel(hz: number, scale: MelScale = 'htk'): number {
  if (scale === 'htk') return 2595 * Math.log10(1 + hz / 700);
  if (scale === 'kaldi') return 1127 * Math.log(1 + hz / 700);
  if (hz < SLANEY_BREAK_HZ) return hz / SLANEY_HZ_PER_MEL;
  return SLANEY_BREAK_HZ / SLANEY_HZ_PER_MEL + Math.log(hz / SLANEY_BREAK_HZ) / SLANEY_LOG_STEP;
}

/** Mel → frequency in Hz. */
export function melToHz(mel: number, scale: MelScale = 'htk'): number {
  if (scale === 'htk') return 700 * (10 ** (mel / 2595) - 1);
  if (scale === 'kaldi') return 700 * (Math.exp(mel / 1127) - 1);
  const breakMel = SLANEY_BREAK_HZ / SLANEY_HZ_PER_MEL;
  if (mel < breakMel) return mel * SLANEY_HZ_PER_MEL;
  return SLANEY_BREAK_HZ * Math.exp(SLANEY_LOG_STEP * (mel - breakMel));
}

const cache = new Map<string, MelBank>();

/**
 * The filter bank, cached by its options; shared: do not write into it.
 * @throws ConfigError for impossible bands or frequencies.
 */
export function melBank(options: MelBankOptions): MelBank {
  const { sampleRate, bins, nMels, melScale = 'htk', melNorm = 'none', triangles = 'hz' } = options;
  const fMin = options.fMin ?? 0;
  const fMax = options.fMax ?? sampleRate / 2;
  if (!(Number.isInteger(nMels) && nMels >= 1 && nMels <= 65536 && Number.isInteger(bins) && bins >= 1)) {
    throw new ConfigError(`mel: expected 1…65536 bands over one bin or more, found nMels ${nMels} over ${bins} bins.`);
  }
  if (!(fMin >= 0 && fMax > fMin && Number.isFinite(fMax) && sampleRate > 0)) {
    throw new ConfigError(`mel: expected 0 ≤ fMin < fMax, found fMin ${fMin} and fMax ${fMax} at ${sampleRate} Hz.`);
  }
  const key = [sampleRate, bins, nMels, fMin, fMax, melScale, melNorm, triangles].join(':');
  const held = cache.get(key);
  if (held !== undefined) return held;

  const low = hzToMel(fMin, melScale);
  const step = (hzToMel(fMax, melScale) - low) / (nMels + 1);
  const edgeHz = (i: number): number => melToHz(low + step * i, melScale);
  const edge = triangles === 'hz' ? edgeHz : (i: number): number => low + step * i;
  const spacing = bins > 1 ? sampleRate / 2 / (bins - 1) : 0;
  const position = Float64Array.from({ length: bins }, (_, k) =>
    triangles === 'hz' ? k * spacing : hzToMel(k * spacing, melScale),
  );
  const bank = sparseRows(nMels, bins, (m) => {
    const [left, middle, right] = [edge(m), edge(m + 1), edge(m + 2)];
    const gain = melNorm === 'slaney' ? 2 / (edgeHz(m + 2) - edgeHz(m)) : 1;
    return (k) => {
      const x = position[k]!;
      return gain * Math.max(0, Math.min((x - left) / (middle - left), (right - x) / (right - middle)));
    };
  });
  cache.set(key, bank);
  return bank;
}

/** A bank from a function giving the weight of each bin in each row; zero margins are dropped. */
export function sparseRows(nMels: number, bins: number, row: (m: number) => (k: number) => number): MelBank {
  const starts = new Int32Array(nMels);
  const offsets = new Int32Array(nMels + 1);
  const weights: number[] = [];
  for (let m = 0; m < nMels; m++) {
    const weightOf = row(m);
    const dense = Float64Array.from({ length: bins }, (_, k) => weightOf(k));
    const first = dense.findIndex((w) => w !== 0);
    const last = dense.findLastIndex((w) => w !== 0);
    starts[m] = Math.max(0, first);
    for (let k = first; first >= 0 && k <= last; k++) weights.push(dense[k]!);
    offsets[m + 1] = weights.length;
  }
  return { nMels, bins, starts, offsets, weights: Float64Array.from(weights) };
}

/** One spectrum [bins] → out[0 … nMels). */
export function applyMelBank(bank: MelBank, spectrum: Float64Array, out: Float64Array): void {
  const { nMels, starts, offsets, weights } = bank;
  for (let m = 0; m < nMels; m++) {
    const end = offsets[m + 1]!;
    let sum = 0;
    for (let i = offsets[m]!, k = starts[m]!; i < end; i++, k++) sum += weights[i]! * spectrum[k]!;
    out[m] = sum;
  }
}

/** The bank as a matrix [nMels, bins] (librosa's layout; torchaudio's is its transpose). */
export function denseMelBank(bank: MelBank): NdArray {
  const data = new Float32Array(bank.nMels * bank.bins);
  for (let m = 0; m < bank.nMels; m++) {
    data.set(bank.weights.subarray(bank.offsets[m], bank.offsets[m + 1]), m * bank.bins + bank.starts[m]!);
  }
  return { data, shape: [bank.nMels, bank.bins] };
}
