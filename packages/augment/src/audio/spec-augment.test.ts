import { describe, expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { applyMasks, drawMasks, specAugment } from './spec-augment.ts';
import { noise, rows, worst } from './testing.ts';

describe('spec-augment', () => {
  test('masked cells hold the mean, the others are as they were', () => {
    const x = noise(10, 14);
    const before = x.data.slice();
    const masks = [
      { axis: 'freq', start: 2, size: 3 },
      { axis: 'time', start: 12, size: 2 },
      { axis: 'time', start: 0, size: 0 },
    ] as const;
    const mean = x.data.reduce((sum, v) => sum + v, 0) / 140;
    const expected = rows(x).map((row, f) => row.map((v, t) => ((f >= 2 && f < 5) || t >= 12 ? mean : v)));
    expect(worst(applyMasks(x, masks), expected)).toBeLessThan(1e-6);
    expect(
      worst(
        applyMasks(x, masks, -9),
        expected.map((row) => row.map((v) => (v === mean ? -9 : v))),
      ),
    ).toBe(0);
    expect(x.data).toEqual(before);
    expect(() => applyMasks(x, [{ axis: 'time', start: 13, size: 2 }])).toThrow('lies outside');
  });

  test('sizes are uniform in 0…most, and time masks keep to their share', () => {
    const rng = createRng(2);
    const masks = Array.from({ length: 3000 }, () => drawMasks(20, 50, rng, { maxBands: 4, maxTimeShare: 0.2 })).flat();
    const sizes = (axis: string): number[] => masks.filter((mask) => mask.axis === axis).map((mask) => mask.size);
    expect(new Set(sizes('freq'))).toEqual(new Set([0, 1, 2, 3, 4]));
    expect(sizes('freq').filter((size) => size === 0).length / 6000).toBeCloseTo(0.2, 1);
    expect(Math.max(...sizes('time'))).toBe(10);
    expect(masks.some(({ axis, start, size }) => axis === 'time' && size > 0 && start + size === 50)).toBe(true);
    expect(specAugment(noise(4, 6), createRng(1), { maxBands: 400, maxFrames: 400 }).shape).toEqual([4, 6]);
  });

  test('is a function of its generator', () => {
    const x = noise(16, 24);
    expect(specAugment(x, createRng(11))).toEqual(specAugment(x, createRng(11)));
    expect(specAugment(x, createRng(11))).not.toEqual(specAugment(x, createRng(12)));
    expect(() => specAugment({ data: new Float32Array(3), shape: [3] }, createRng(0))).toThrow(
      'expected [bands, frames]',
    );
  });
});
