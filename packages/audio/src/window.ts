/**
 * Analysis windows in float64. `periodic` (the default, for spectra) is what torch calls periodic and SciPy `fftbins`; symmetric
 * is for filters. Povey's window is Kaldi's: the symmetric Hann window to the power 0.85.
 */
import { ConfigError } from '@unlabel/core';

export const windowNames = ['hann', 'hamming', 'povey', 'rect', 'blackman', 'kaiser'] as const;
export type WindowName = (typeof windowNames)[number];

export interface WindowOptions {
  /** Default true: one period of length n; false ends on the first sample's value. Povey is symmetric unless set. */
  readonly periodic?: boolean;
  /** Kaiser's shape; torch's default 12. */
  readonly beta?: number;
  /** Blackman's coefficient as Kaldi has it: a/2 + 1/2 … default 0.42. */
  readonly blackmanCoeff?: number;
  /** a of a − (1 − a)·cos; Hamming's default 0.54. */
  readonly alpha?: number;
}

/** Modified Bessel function of the first kind, order 0, by its power series; relative error near 1e-16 for x up to 700. */
export function besselI0(x: number): number {
  const quarter = (x * x) / 4;
  let term = 1;
  let sum = 1;
  for (let k = 1; k < 1000; k++) {
    term *= quarter / (k * k);
    sum += term;
    if (term < sum * 1e-17) break;
  }
  return sum;
}

const cache = new Map<string, Float64Array>();

/**
 * Window of n samples → [n]. Shared: do not write into it.
 * @throws ConfigError for a length that is no positive integer.
 */
export function createWindow(name: WindowName, n: number, options: WindowOptions = {}): Float64Array {
  if (!(Number.isInteger(n) && n >= 1 && n <= 1 << 24)) {
    throw new ConfigError(
      `window ${name}: the length must be an integer in 1…2^24, found ${n}. Set winLength accordingly.`,
    );
  }
  const { periodic = name !== 'povey', beta = 12, blackmanCoeff = 0.42, alpha = 0.54 } = options;
  const key = `${name}:${n}:${periodic}:${beta}:${blackmanCoeff}:${alpha}`;
  const held = cache.get(key);
  if (held !== undefined) return held;
  const span = periodic ? n : n - 1;
  const at = (i: number): number => {
    if (span === 0) return 1; // one symmetric sample
    const turn = (2 * Math.PI * i) / span;
    switch (name) {
      case 'rect':
        return 1;
      case 'hann':
        return 0.5 - 0.5 * Math.cos(turn);
      case 'hamming':
        return alpha - (1 - alpha) * Math.cos(turn);
      case 'povey':
        return (0.5 - 0.5 * Math.cos(turn)) ** 0.85;
      case 'blackman':
        return blackmanCoeff - 0.5 * Math.cos(turn) + (0.5 - blackmanCoeff) * Math.cos(2 * turn);
      case 'kaiser': {
        const u = (2 * i) / span - 1;
        return besselI0(beta * Math.sqrt(Math.max(0, 1 - u * u))) / besselI0(beta);
      }
    }
  };
  const window = Float64Array.from({ length: n }, (_, i) => at(i));
  cache.set(key, window);
  return window;
}
