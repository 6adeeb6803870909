import { describe, expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { createFrontEnd, frontEnds, type FrontEndName } from './front-end.ts';

/** 0.5 sin 440 Hz + 0.1 sin 3 kHz at 16 kHz, the signal that the methods' sheets give numbers for. */
const tones = (n: number): Float32Array =>
  Float32Array.from(
    { length: n },
    (_, i) => 0.5 * Math.sin((2 * Math.PI * 440 * i) / 16000) + 0.1 * Math.sin((2 * Math.PI * 3000 * i) / 16000),
  );
const mean = (values: Float32Array): number => values.reduce((sum, x) => sum + x, 0) / values.length;
const names = Object.keys(frontEnds) as FrontEndName[];

test("delores gives the sheet's numbers, computed by librosa, with reflected and with zero edges", () => {
  const { data, shape } = createFrontEnd(frontEnds.delores).apply(tones(15200));
  const at = (m: number, t: number): number => data[m * 96 + t]!;
  expect(shape).toEqual([64, 96]);
  expect(mean(data)).toBeCloseTo(-12.943046, 5);
  for (const [m, value] of [-8.151221, -10.468814, -12.070784].entries()) expect(at(10 + m, 48)).toBeCloseTo(value, 4);
  for (const [m, value] of [1.886604, 1.070345, 0.453065].entries()) expect(at(10 + m, 0)).toBeCloseTo(value, 4);
  const constant = createFrontEnd({ ...frontEnds.delores, padMode: 'constant' }).apply(tones(15200)).data;
  expect(mean(constant)).toBeCloseTo(-13.031542, 5);
  for (const [m, value] of [0.500353, -0.315939, -0.933225].entries()) {
    expect(constant[(10 + m) * 96]).toBeCloseTo(value, 4);
  }
});

test("atst gives the sheet's numbers, computed by torchaudio; silence is −1.312306", () => {
  const frontEnd = createFrontEnd(frontEnds.atst);
  const { data, shape } = frontEnd.apply(tones(16000));
  expect(shape).toEqual([64, 101]);
  expect(mean(data)).toBeCloseTo(-0.208801, 4);
  for (const [m, value] of [0.880916, 0.705055, 0.049485, -0.152268].entries()) {
    expect(data[(10 + m) * 101 + 50]).toBeCloseTo(value, 3);
  }
  expect(frontEnd.apply(new Float32Array(1600)).data.every((x) => Math.abs(x + 1.312306) < 1e-5)).toBe(true);
});

test("beats gives the sheet's numbers, computed by torchaudio, bands first", () => {
  const { data, shape } = createFrontEnd(frontEnds.beats).apply(tones(16000));
  expect(shape).toEqual([128, 98]);
  expect(mean(data)).toBeCloseTo(-0.543684, 4);
  for (const [m, value] of [0.319895, 0.645941, 0.678467, 0.717605].entries()) {
    expect(data[(20 + m) * 98 + 50]).toBeCloseTo(value, 4);
  }
  expect(data[3 * 98]).toBeCloseTo(-2.391693, 5); // an empty filter stays at the floor
});

test('binaural: log power of a sine of amplitude 0.1·√2 at its bin, |X| = A·Σw/2; loudness is lost, silence at the floor', () => {
  const frontEnd = createFrontEnd({ ...frontEnds.binaural, sampleRate: 16000, winLength: 512 });
  const sine = Float32Array.from({ length: 16000 }, (_, i) => 0.7 * Math.sin((2 * Math.PI * 1000 * i) / 16000));
  const { data, shape } = frontEnd.apply(sine);
  expect(shape).toEqual([257, 101]);
  expect(data[32 * 101 + 50]).toBeCloseTo(2 * Math.log(0.1 * Math.SQRT2 * 128), 3);
  expect(Math.min(...data)).toBeCloseTo(Math.log(1e-5), 5);
  expect(new Set(frontEnd.apply(new Float32Array(800)).data)).toEqual(new Set([Math.fround(Math.log(1e-5))]));
});

describe.each(names)('%s', (name) => {
  const frontEnd = createFrontEnd(frontEnds[name]);
  const noise = (n: number): Float32Array => {
    const rng = createRng(7);
    return Float32Array.from({ length: n }, () => rng.range(-1, 1));
  };

  test.each([1, 2, 100, 399, 400, 513, 1024, 1025, 16000])('%i samples give bands × framesOf finite values', (n) => {
    const audio = noise(n);
    const before = audio.slice();
    const { data, shape } = frontEnd.apply(audio);
    expect(shape).toEqual([frontEnd.bands, frontEnd.framesOf(n)]);
    expect(data.length).toBe(frontEnd.bands * frontEnd.framesOf(n));
    expect(frontEnd.framesOf(n)).toBeGreaterThan(0);
    expect(data.every(Number.isFinite)).toBe(true);
    expect(audio).toEqual(before);
  });

  test('the same audio gives the same bytes, whatever was analysed between', () => {
    const first = frontEnd.apply(noise(5000)).data.slice();
    frontEnd.apply(tones(8000));
    createFrontEnd({ kind: 'log-mel', nFft: 512, hopLength: 100 }).apply(tones(900));
    expect(frontEnd.apply(noise(5000)).data).toEqual(first);
  });

  test('an empty clip is refused', () => {
    expect(() => frontEnd.apply(new Float32Array(0))).toThrow('empty');
  });
});

test('a wrong configuration names the field', () => {
  expect(() => createFrontEnd({ kind: 'log-mel', nMels: 0 })).toThrow('nMels');
  expect(() => createFrontEnd({ kind: 'log-mel', fMin: 8000 })).toThrow('fMin');
  expect(() => createFrontEnd({ kind: 'log-mel', winLength: 2048 })).toThrow('winLength must be an integer in 1…1024');
  expect(() => createFrontEnd({ kind: 'mfcc', nMfcc: 65 })).toThrow('nMfcc 65 exceeds nMels 64');
});

test('a short clip equals the clip completed with zeros to the shortest that can be reflected', () => {
  const frontEnd = createFrontEnd(frontEnds['byol-a']);
  const short = tones(300);
  const padded = new Float32Array(513);
  padded.set(short);
  expect(frontEnd.apply(short)).toEqual(frontEnd.apply(padded));
});
