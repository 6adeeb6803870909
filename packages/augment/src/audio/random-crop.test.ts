import { describe, expect, test } from 'vitest';
import { createRng, type NdArray } from '@unlabel/core';
import { crop, randomCrop } from './random-crop.ts';
import { rows } from './testing.ts';

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
