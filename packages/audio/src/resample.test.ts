import { describe, expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { kaiserBest, kaiserFast, resample, resampledLength, type ResampleOptions } from './resample.ts';
import { besselI0 } from './window.ts';

/** The windowed sinc at every output position, from the whole clip, in float64. */
function literal(audio: Float32Array, from: number, to: number, options: ResampleOptions): number[] {
  const { lowpassFilterWidth: width = 6, rolloff = 0.99, beta = 14.769656459379492, resamplingMethod } = options;
  const cutoff = Math.min(from, to) * rolloff;
  return Array.from({ length: Math.ceil((audio.length * to) / from) }, (_, k) => {
    let sum = 0;
    for (let i = 0; i < audio.length; i++) {
      const t = (i / from - k / to) * cutoff;
      if (Math.abs(t) >= width) continue;
      const window =
        resamplingMethod === 'sinc_interp_kaiser'
          ? besselI0(beta * Math.sqrt(1 - (t / width) ** 2)) / besselI0(beta)
          : Math.cos((Math.PI * t) / width / 2) ** 2;
      sum += audio[i]! * (t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t)) * window * (cutoff / from);
    }
    return sum;
  });
}

const noise = (n: number): Float32Array => {
  const rng = createRng(4);
  return Float32Array.from({ length: n }, () => rng.range(-1, 1));
};

describe.each([
  [3, 2],
  [1, 7],
  [7, 1],
  [44100, 16000],
  [16000, 16001],
  [192000, 8000],
])('%i → %i Hz', (from, to) => {
  test.each([
    ['sinc', {}],
    ['kaiser best', kaiserBest],
    ['kaiser fast', kaiserFast],
    ['a narrow sinc', { lowpassFilterWidth: 2, rolloff: 0.5 }],
  ])('%s equals the definition', (_, options) => {
    for (const n of [1, 5, 300]) {
      const audio = noise(n);
      const expected = literal(audio, from, to, options);
      const actual = resample(audio, from, to, options);
      expect(actual.length).toBe(expected.length);
      expect(actual.length).toBe(resampledLength(n, from, to));
      // taps are placed in float32, as torchaudio does: 1e-7 of a period of up to 16000 samples
      expect(Math.max(...expected.map((x, i) => Math.abs(x - actual[i]!)))).toBeLessThan(from > 10000 ? 2e-3 : 2e-6);
    }
  });
});

test('long clips, computed in pieces, equal the definition at the seams', () => {
  const audio = noise(70000);
  for (const [from, to] of [
    [3, 2],
    [2, 3],
    [441, 160],
  ] as const) {
    const actual = resample(audio, from, to);
    for (let k = 16384 - 200; k < actual.length; k += 16384) {
      const first = Math.floor(((k - 40) * from) / to / from) * from; // a whole period, so that phases agree
      const piece = literal(audio.subarray(first, first + 400 * Math.ceil(from / to)), from, to, {});
      const offset = k - (first * to) / from;
      for (let i = 0; i < 60; i++) expect(Math.abs(piece[offset + i]! - actual[k + i]!)).toBeLessThan(1e-5);
    }
  }
});

test('equal rates return the samples themselves; impossible rates are refused', () => {
  const audio = noise(10);
  expect(resample(audio, 16000, 16000)).toBe(audio);
  expect(() => resample(audio, 16000, 0)).toThrow('16000 → 0');
  expect(() => resample(audio, 16000.5, 8000)).toThrow('whole numbers');
  expect(() => resample(audio, 3, 2, { rolloff: 2 })).toThrow('rolloff');
  expect(() => resample(audio, 1e9 + 7, 1e9 + 9)).toThrow('common factor');
});
