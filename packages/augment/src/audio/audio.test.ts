import { describe, expect, test } from 'vitest';
import { createRng, type NdArray } from '@unlabel/core';
import { logMixupExp, mixup } from './mixup.ts';
import { crop, randomCrop } from './random-crop.ts';
import { linearFader, randomLinearFader } from './random-linear-fader.ts';
import { drawCropBox, randomResizeCrop, resizeCrop } from './random-resize-crop.ts';
import { applyMasks, drawMasks, specAugment } from './spec-augment.ts';

const noise = (F: number, T: number, label = 'x'): NdArray => {
  const rng = createRng(5).fork(label);
  return { data: Float32Array.from({ length: F * T }, () => rng.range(-2, 2)), shape: [F, T] };
};
const rows = ({ data, shape }: NdArray): number[][] =>
  Array.from({ length: shape[0]! }, (_, f) => [...data.subarray(f * shape[1]!, (f + 1) * shape[1]!)]);
const worst = (a: NdArray, b: number[][]): number =>
  Math.max(...rows(a).flatMap((row, f) => row.map((value, t) => Math.abs(value - b[f]![t]!))));

describe('random resize crop', () => {
  /** The whole canvas, the kernel in two dimensions, term by term. */
  function literal(
    x: NdArray,
    box: { i: number; j: number; h: number; w: number },
    scale: [number, number],
  ): number[][] {
    const [F, T] = x.shape as [number, number];
    const canvas = Array.from({ length: Math.floor(F * scale[0]) }, () =>
      Array.from({ length: Math.floor(T * scale[1]) }, () => 0),
    );
    const [y0, x0] = [Math.floor((canvas.length - F) / 2), Math.floor((canvas[0]!.length - T) / 2)];
    rows(x).forEach((row, f) => row.forEach((value, t) => (canvas[y0 + f]![x0 + t] = value)));
    const kernel = (d: number): number => {
      const a = Math.abs(d);
      if (a <= 1) return 1.25 * a ** 3 - 2.25 * a ** 2 + 1;
      return a < 2 ? -0.75 * a ** 3 + 3.75 * a ** 2 - 6 * a + 3 : 0;
    };
    const clamp = (k: number, n: number): number => Math.max(0, Math.min(n - 1, k));
    return Array.from({ length: F }, (_, f) =>
      Array.from({ length: T }, (_, t) => {
        const [py, px] = [(f * (box.h - 1)) / (F - 1), (t * (box.w - 1)) / (T - 1)];
        let sum = 0;
        for (let dy = -1; dy <= 2; dy++) {
          for (let dx = -1; dx <= 2; dx++) {
            const [ky, kx] = [Math.floor(py) + dy, Math.floor(px) + dx];
            const value = canvas[box.i + clamp(ky, box.h)]![box.j + clamp(kx, box.w)]!;
            sum += value * kernel(py - ky) * kernel(px - kx);
          }
        }
        return sum;
      }),
    );
  }

  test.each([
    [{ i: 0, j: 0, h: 12, w: 30 }, [1, 1.5]],
    [{ i: 3, j: 17, h: 5, w: 9 }, [1, 1.5]],
    [{ i: 0, j: 0, h: 18, w: 20 }, [1.5, 1]],
    [{ i: 1, j: 2, h: 17, w: 36 }, [1.5, 2]],
    [{ i: 0, j: 0, h: 2, w: 2 }, [2, 2]],
  ] as const)('equals the definition for %j on a canvas of %j', (box, scale) => {
    const x = noise(12, 20);
    expect(worst(resizeCrop(x, box, scale), literal(x, box, [...scale]))).toBeLessThan(2e-5); // taps placed in float32
  });

  test('the whole input, uncropped, comes back', () => {
    const x = noise(12, 20);
    expect(worst(resizeCrop(x, { i: 0, j: 0, h: 12, w: 20 }, [1, 1]), rows(x))).toBeLessThan(1e-5);
  });

  test('rectangles stay on the canvas and reach its corners', () => {
    const rng = createRng(1);
    const boxes = Array.from({ length: 4000 }, () => drawCropBox(8, 10, rng));
    expect(boxes.every(({ i, j, h, w }) => h >= 4 && h <= 8 && w >= 6 && w <= 15 && i + h <= 8 && j + w <= 15)).toBe(
      true,
    );
    expect(boxes.some(({ i, h }) => i + h === 8 && h < 8)).toBe(true);
    expect(boxes.some(({ j, w }) => j + w === 15 && w < 8)).toBe(true);
    expect(boxes.filter(({ h }) => h === 8).length / 4000).toBeCloseTo(0.5 / 0.9, 1);
  });

  test('a rectangle off the canvas is refused', () => {
    expect(() => resizeCrop(noise(4, 4), { i: 0, j: 3, h: 4, w: 4 }, [1, 1.5])).toThrow(
      'must lie on a canvas of 4 × 6',
    );
  });
});

describe('mixup', () => {
  const x = noise(3, 8);
  const mixed = (a: number, b: number, alpha: number): number =>
    Math.log((1 - alpha) * Math.exp(a) + alpha * Math.exp(b) + 2 ** -23);

  test('a shorter background is mixed into its span only', () => {
    const z = noise(3, 5, 'z');
    const expected = rows(x).map((row, f) =>
      row.map((value, t) => (t >= 2 && t < 7 ? mixed(value, rows(z)[f]![t - 2]!, 0.3) : value)),
    );
    expect(worst(logMixupExp(x, z, 0.3, 2), expected)).toBeLessThan(1e-6);
  });

  test('a longer background is cut', () => {
    const z = noise(3, 11, 'z');
    const expected = rows(x).map((row, f) => row.map((value, t) => mixed(value, rows(z)[f]![t + 3]!, 0.1)));
    expect(worst(logMixupExp(x, z, 0.1, 3), expected)).toBeLessThan(1e-6);
    expect(() => logMixupExp(x, z, 0.1, 4)).toThrow('does not fit');
  });

  test('asks for an input within memory and passes the first through', async () => {
    const asked: number[] = [];
    const recent = (k: number): NdArray => {
      asked.push(k);
      return noise(3, 8, `recent${k}`);
    };
    expect(await mixup(x, recent, 0, createRng(0))).toBe(x);
    expect(asked).toEqual([]);
    for (let seed = 0; seed < 200; seed++) await mixup(x, recent, 3, createRng(seed), { memory: 2 });
    expect(new Set(asked)).toEqual(new Set([1, 2]));
    const [a, b] = [await mixup(x, recent, 9, createRng(4)), await mixup(x, recent, 9, createRng(4))];
    expect(a).toEqual(b);
    expect(a).not.toEqual(x);
  });
});

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
});

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
});

describe('random crop', () => {
  const x: NdArray = { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] };

  test('cuts columns, and centres what is shorter with the odd zero to the right', () => {
    expect(rows(crop(x, 1, 2))).toEqual([
      [2, 3],
      [5, 6],
    ]);
    expect(rows(crop(x, 0, 6))).toEqual([
      [0, 1, 2, 3, 0, 0],
      [0, 4, 5, 6, 0, 0],
    ]);
    expect(rows(crop(x, 0, 4, -1))[0]).toEqual([1, 2, 3, -1]);
    expect(() => crop(x, 2, 2)).toThrow('do not lie');
  });

  test('every start is drawn', () => {
    const rng = createRng(6);
    const starts = new Set(Array.from({ length: 200 }, () => randomCrop(x, 1, rng).data[0]));
    expect(starts).toEqual(new Set([1, 2, 3]));
  });
});

test('every augmentation is a function of its generator', () => {
  const x = noise(16, 24);
  for (const augment of [randomResizeCrop, specAugment, randomLinearFader]) {
    expect(augment(x, createRng(11))).toEqual(augment(x, createRng(11)));
    expect(augment(x, createRng(11))).not.toEqual(augment(x, createRng(12)));
  }
  expect(() => specAugment({ data: new Float32Array(3), shape: [3] }, createRng(0))).toThrow(
    'expected [bands, frames]',
  );
});
