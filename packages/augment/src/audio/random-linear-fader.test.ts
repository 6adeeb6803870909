import { describe, expect, test } from 'vitest';
import { createRng, type NdArray } from '@unlabel/core';
import { linearFader, randomLinearFader } from './random-linear-fader.ts';
import { noise, rows, worst } from './testing.ts';

describe('random linear fader', () => {
  test('adds a straight line from head to tail', () => {
    const x = noise(2, 5);
    const expected = rows(x).map((row) => row.map((v, t) => v + [-0.5, -0.25, 0, 0.25, 0.5][t]!));
    expect(worst(linearFader(x, -0.5, 0.5), expected)).toBeLessThan(1e-6);
    expect(linearFader({ data: Float32Array.of(1), shape: [1, 1] }, 2, 9).data[0]).toBe(3);
  });

  test('draws both ends within the gain', () => {
    const rng = createRng(8);
    const zeros: NdArray = { data: new Float32Array(6), shape: [2, 3] };
    const ends = Array.from({ length: 500 }, () => randomLinearFader(zeros, rng, 0.7).data);
    expect(ends.every((data) => Math.abs(data[0]!) <= 0.7 && Math.abs(data[2]!) <= 0.7)).toBe(true);
    expect(Math.min(...ends.map((data) => data[0]!))).toBeLessThan(-0.6);
    expect(Math.max(...ends.map((data) => data[2]!))).toBeGreaterThan(0.6);
  });

  test('is a function of its generator', () => {
    const x = noise(16, 24);
    expect(randomLinearFader(x, createRng(11))).toEqual(randomLinearFader(x, createRng(11)));
    expect(randomLinearFader(x, createRng(11))).not.toEqual(randomLinearFader(x, createRng(12)));
    expect(() => randomLinearFader({ data: new Float32Array(3), shape: [3] }, createRng(0))).toThrow(
      'expected [bands, frames]',
    );
  });
});
