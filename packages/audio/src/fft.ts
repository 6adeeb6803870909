/**
 * Discrete Fourier transforms of any length in float64. Lengths whose prime factors are at most 31 run as a mixed-radix
 * Stockham transform (radix 4, 2, 3, 5, then any prime); others go through Bluestein's chirp to a power of two. A real
 * transform of even length n is one complex transform of n/2 (pairs of samples packed as re, im).
 *
 * A plan owns its buffers, so that a frame costs no allocation: write `input`, then run. Plans are cached by length and
 * are not re-entrant; each worker thread has its own.
 */
import { ConfigError } from '@unlabel/core';
import { passKernel, passTwiddles, type PassKernel } from './fft-passes.ts';

const MAX_RADIX = 31;
const MAX_SIZE = 1 << 24;

/** Complex transform of fixed length; arrays are interleaved (re, im) and 2·size long. */
export interface ComplexFft {
  readonly size: number;
  /** Write the signal here; `run` overwrites it. */
  readonly input: Float64Array;
  /** X[k] = Σ_n x[n] e^(−2πi·kn/size). Returns one of the plan's own buffers, valid until `input` is next written. */
  run(): Float64Array;
}

/** Real transform of fixed length. */
export interface RealFft {
  readonly size: number;
  /** ⌊size/2⌋ + 1. */
  readonly bins: number;
  /** Write the size samples of a frame here; every run overwrites it. */
  readonly input: Float64Array;
  /** Spectrum of `input`, interleaved (re, im), into out[0 … 2·bins). */
  spectrum(out: Float64Array): void;
  /** |X|² of `input` into out[0 … bins). */
  power(out: Float64Array): void;
  /** Inverse of `spectrum`, 1/size included; the imaginary parts of bin 0 and of size/2 are taken as zero. */
  inverse(spectrum: Float64Array, out: Float64Array): void;
}

/** Radices of a length, fours first; undefined if a prime factor exceeds 31. */
function radicesOf(size: number): number[] | undefined {
  const radices: number[] = [];
  let rest = size;
  while (rest % 4 === 0) {
    radices.push(4);
    rest /= 4;
  }
  for (let prime = 2; prime <= MAX_RADIX && rest > 1; prime++) {
    while (rest % prime === 0) {
      radices.push(prime);
      rest /= prime;
    }
  }
  return rest === 1 ? radices : undefined;
}

function stockham(size: number, radices: readonly number[]): ComplexFft {
  const a = new Float64Array(2 * size);
  const b = new Float64Array(2 * size);
  const passes: { kernel: PassKernel; m: number; s: number; twiddles: Float64Array }[] = [];
  let n = size;
  let s = 1;
  for (const radix of radices) {
    const m = n / radix;
    passes.push({ kernel: passKernel(radix), m, s, twiddles: passTwiddles(radix, m) });
    n = m;
    s *= radix;
  }
  return {
    size,
    input: a,
    run() {
      let x = a;
      let y = b;
      for (const pass of passes) {
        pass.kernel(x, y, pass.m, pass.s, pass.twiddles);
        const held = x;
        x = y;
        y = held;
      }
      return x;
    },
  };
}

/** Bluestein: X[k] = c[k] Σ_n (x[n] c[n]) conj(c[k−n]) with the chirp c[n] = e^(−πi·n²/size), as a circular convolution. */
function bluestein(size: number): ComplexFft {
  let length = 1;
  while (length < 2 * size - 1) length *= 2;
  const inner = complexFft(length);
  const chirp = new Float64Array(2 * size);
  for (let n = 0; n < size; n++) {
    const angle = (-Math.PI * Number((BigInt(n) * BigInt(n)) % BigInt(2 * size))) / size;
    chirp[2 * n] = Math.cos(angle);
    chirp[2 * n + 1] = Math.sin(angle);
  }
  inner.input.fill(0);
  for (let n = 0; n < size; n++) {
    for (const at of n === 0 ? [0] : [n, length - n]) {
      inner.input[2 * at] = chirp[2 * n]!;
      inner.input[2 * at + 1] = -chirp[2 * n + 1]!;
    }
  }
  const kernel = inner.run().slice();
  const input = new Float64Array(2 * size);
  const output = new Float64Array(2 * size);
  return {
    size,
    input,
    run() {
      const work = inner.input;
      work.fill(0, 2 * size);
      for (let i = 0; i < 2 * size; i += 2) {
        work[i] = input[i]! * chirp[i]! - input[i + 1]! * chirp[i + 1]!;
        work[i + 1] = input[i]! * chirp[i + 1]! + input[i + 1]! * chirp[i]!;
      }
      const product = inner.run();
      // the second forward transform acts as an inverse: conjugate before and after
      const held = product === work ? product.slice() : product;
      for (let i = 0; i < 2 * length; i += 2) {
        const re = held[i]! * kernel[i]! - held[i + 1]! * kernel[i + 1]!;
        const im = held[i]! * kernel[i + 1]! + held[i + 1]! * kernel[i]!;
        work[i] = re;
        work[i + 1] = -im;
      }
      const result = inner.run();
      for (let i = 0; i < 2 * size; i += 2) {
        const re = result[i]! / length;
        const im = -result[i + 1]! / length;
        output[i] = re * chirp[i]! - im * chirp[i + 1]!;
        output[i + 1] = re * chirp[i + 1]! + im * chirp[i]!;
      }
      return output;
    },
  };
}

const complexPlans = new Map<number, ComplexFft>();
const realPlans = new Map<number, RealFft>();

function checkSize(size: number): void {
  if (!(Number.isInteger(size) && size >= 1 && size <= MAX_SIZE)) {
    throw new ConfigError(`fft: the length must be an integer in 1…${MAX_SIZE}, found ${size}. Set nFft accordingly.`);
  }
}

/** The cached complex plan of a length. @throws ConfigError when the length is no integer in 1…2²⁴. */
export function complexFft(size: number): ComplexFft {
  checkSize(size);
  let plan = complexPlans.get(size);
  if (plan === undefined) {
    const radices = radicesOf(size);
    plan = radices === undefined ? bluestein(size) : stockham(size, radices);
    complexPlans.set(size, plan);
  }
  return plan;
}

function evenRealFft(size: number): RealFft {
  const half = size / 2;
  const bins = half + 1;
  const plan = complexFft(half);
  const twiddles = passTwiddles(2, half); // e^(−2πi·k/size)
  return {
    size,
    bins,
    input: plan.input,
    spectrum(out) {
      const z = plan.run();
      for (let k = 1; 2 * k <= half; k++) {
        const j = 2 * (half - k);
        const i = 2 * k;
        const sr = 0.5 * (z[i]! + z[j]!);
        const si = 0.5 * (z[i + 1]! - z[j + 1]!);
        const dr = 0.5 * (z[i + 1]! + z[j + 1]!); // −i/2·(Z[k] − conj Z[h−k])
        const di = 0.5 * (z[j]! - z[i]!);
        const tr = dr * twiddles[i]! - di * twiddles[i + 1]!;
        const ti = dr * twiddles[i + 1]! + di * twiddles[i]!;
        out[i] = sr + tr;
        out[i + 1] = si + ti;
        out[j] = sr - tr;
        out[j + 1] = ti - si;
      }
      const re = z[0]!;
      const im = z[1]!;
      out[0] = re + im;
      out[1] = 0;
      out[size] = re - im;
      out[size + 1] = 0;
    },
    power(out) {
      const z = plan.run();
      for (let k = 1; 2 * k <= half; k++) {
        const j = 2 * (half - k);
        const i = 2 * k;
        const sr = 0.5 * (z[i]! + z[j]!);
        const si = 0.5 * (z[i + 1]! - z[j + 1]!);
        const dr = 0.5 * (z[i + 1]! + z[j + 1]!);
        const di = 0.5 * (z[j]! - z[i]!);
        const tr = dr * twiddles[i]! - di * twiddles[i + 1]!;
        const ti = dr * twiddles[i + 1]! + di * twiddles[i]!;
        const both = sr * sr + si * si + tr * tr + ti * ti;
        const cross = 2 * (sr * tr + si * ti);
        out[k] = Math.max(0, both + cross); // a bin that is nearly nothing may round below it
        out[half - k] = Math.max(0, both - cross);
      }
      const re = z[0]!;
      const im = z[1]!;
      out[0] = (re + im) * (re + im);
      out[half] = (re - im) * (re - im);
    },
    inverse(spectrum, out) {
      const z = plan.input;
      for (let k = 0; k < half; k++) {
        const i = 2 * k;
        const j = 2 * (half - k);
        const edge = k === 0;
        const ai = edge ? 0 : spectrum[i + 1]!;
        const bi = edge ? 0 : spectrum[j + 1]!;
        const sr = spectrum[i]! + spectrum[j]!;
        const si = ai - bi;
        const dr = spectrum[i]! - spectrum[j]!;
        const di = ai + bi;
        const tr = dr * twiddles[i]! + di * twiddles[i + 1]!; // times conj(w^k)
        const ti = di * twiddles[i]! - dr * twiddles[i + 1]!;
        z[i] = sr - ti;
        z[i + 1] = -(si + tr); // conjugated, so that the forward plan inverts
      }
      const result = plan.run();
      for (let i = 0; i < size; i += 2) {
        out[i] = result[i]! / size;
        out[i + 1] = -result[i + 1]! / size;
      }
    },
  };
}

function oddRealFft(size: number): RealFft {
  const bins = (size + 1) / 2;
  const plan = complexFft(size);
  const input = new Float64Array(size);
  const transform = (): Float64Array => {
    const z = plan.input;
    for (let n = 0; n < size; n++) {
      z[2 * n] = input[n]!;
      z[2 * n + 1] = 0;
    }
    return plan.run();
  };
  return {
    size,
    bins,
    input,
    spectrum(out) {
      const result = transform();
      for (let i = 0; i < 2 * bins; i++) out[i] = result[i]!;
      out[1] = 0;
    },
    power(out) {
      const result = transform();
      for (let k = 0; k < bins; k++) out[k] = result[2 * k]! * result[2 * k]! + result[2 * k + 1]! * result[2 * k + 1]!;
    },
    inverse(spectrum, out) {
      const z = plan.input;
      z[0] = spectrum[0]!;
      z[1] = 0;
      for (let k = 1; k < bins; k++) {
        z[2 * k] = spectrum[2 * k]!;
        z[2 * k + 1] = -spectrum[2 * k + 1]!;
        z[2 * (size - k)] = spectrum[2 * k]!;
        z[2 * (size - k) + 1] = spectrum[2 * k + 1]!;
      }
      const result = plan.run();
      for (let n = 0; n < size; n++) out[n] = result[2 * n]! / size;
    },
  };
}

/** The cached real plan of a length. @throws ConfigError when the length is no integer in 1…2²⁴. */
export function realFft(size: number): RealFft {
  checkSize(size);
  let plan = realPlans.get(size);
  if (plan === undefined) {
    plan = size % 2 === 0 ? evenRealFft(size) : oddRealFft(size);
    realPlans.set(size, plan);
  }
  return plan;
}
