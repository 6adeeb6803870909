import { describe, expect, test } from 'vitest';
import { createRng, type NdArray } from '@unlabel/core';
import { drawCropBox, randomResizeCrop, resizeCrop } from './random-resize-crop.ts';
import { noise, rows, worst } from './testing.ts';

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

  test('is a function of its generator', () => {
    const x = noise(16, 24);
    expect(randomResizeCrop(x, createRng(11))).toEqual(randomResizeCrop(x, createRng(11)));
    expect(randomResizeCrop(x, createRng(11))).not.toEqual(randomResizeCrop(x, createRng(12)));
    expect(() => randomResizeCrop({ data: new Float32Array(3), shape: [3] }, createRng(0))).toThrow(
      'expected [bands, frames]',
    );
  });
});
