import { describe, expect, test } from 'vitest';
import { complexFft, realFft } from './fft.ts';

const signal = (n: number): Float64Array =>
  Float64Array.from({ length: n }, (_, i) => Math.sin(0.7 * i * i + 0.3) + 0.01 * i - 0.2);

/** The definition, term by term. */
function dft(x: Float64Array): Float64Array {
  const n = x.length / 2;
  const out = new Float64Array(2 * n);
  for (let k = 0; k < n; k++) {
    for (let t = 0; t < n; t++) {
      const angle = (-2 * Math.PI * ((k * t) % n)) / n;
      out[2 * k]! += x[2 * t]! * Math.cos(angle) - x[2 * t + 1]! * Math.sin(angle);
      out[2 * k + 1]! += x[2 * t]! * Math.sin(angle) + x[2 * t + 1]! * Math.cos(angle);
    }
  }
  return out;
}

const worst = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let error = 0;
  for (let i = 0; i < b.length; i++) error = Math.max(error, Math.abs(a[i]! - b[i]!));
  return error;
};

const sizes = [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 31, 37, 60, 64, 74, 128, 160, 200, 211, 256, 331, 400, 441, 512, 1024];

describe.each(sizes)('length %i', (n) => {
  test('the complex transform equals the definition', () => {
    const plan = complexFft(n);
    const x = signal(2 * n);
    plan.input.set(x);
    expect(worst(plan.run(), dft(x))).toBeLessThan(1e-13 * (n + 4) * 4);
  });

  test('the real transform equals the definition, its power is |X|², its inverse returns the samples', () => {
    const plan = realFft(n);
    const x = signal(n);
    const full = dft(Float64Array.from({ length: 2 * n }, (_, i) => (i % 2 === 0 ? x[i / 2]! : 0)));
    plan.input.set(x);
    const spectrum = new Float64Array(2 * plan.bins);
    plan.spectrum(spectrum);
    expect(plan.bins).toBe(Math.floor(n / 2) + 1);
    expect(worst(spectrum, full.subarray(0, 2 * plan.bins))).toBeLessThan(1e-13 * (n + 4) * 4);
    const power = new Float64Array(plan.bins);
    plan.input.set(x);
    plan.power(power);
    const expected = power.map((_, k) => spectrum[2 * k]! ** 2 + spectrum[2 * k + 1]! ** 2);
    expect(worst(power, expected)).toBeLessThan(1e-10 * n);
    const back = new Float64Array(n);
    plan.inverse(spectrum, back);
    expect(worst(back, x)).toBeLessThan(1e-13 * (n + 4));
  });
});

test('refuses lengths that are no positive integer', () => {
  expect(() => realFft(0)).toThrow('the length must be an integer in 1…16777216, found 0');
  expect(() => complexFft(2.5)).toThrow('found 2.5');
});
