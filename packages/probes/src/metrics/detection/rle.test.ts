import { createRng } from '@unlabel/core';
import { describe, expect, test } from 'vitest';
import { maskIou } from './iou.ts';
import { rleFromBox, rleFromPolygon } from './polygon.ts';
import {
  decodeRle,
  encodeRle,
  maskFromRle,
  rleArea,
  rleBox,
  rleFromCounts,
  rleFromMask,
  rleUnion,
  type Rle,
} from './rle.ts';

const rng = createRng(3);
const blob = (height: number, width: number, share: number): Rle =>
  rleFromMask(
    Uint8Array.from({ length: height * width }, () => (rng.range(0, 1) < share ? 1 : 0)),
    height,
    width,
  );

describe('the text of a mask', () => {
  test('is pycocotools’ for the examples of the protocol', () => {
    const polygon = rleFromPolygon([10.2, 10.7, 30.5, 12.1, 25, 40.9], 60, 50);
    expect(encodeRle(polygon)).toBe('od02j12N2N2N3M2N2N2N2O1N2N2N2N2NN2K5K5K5K5K]S1');
    expect(rleArea(polygon)).toBe(296);
    expect(rleBox(polygon)).toEqual([11, 11, 20, 29]);
    expect(encodeRle(rleFromCounts([2, 3, 1, 6], 4, 3))).toBe('2313');
    const square = rleFromMask([0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 0, 0], 4, 3);
    expect([encodeRle(square), rleArea(square), rleBox(square)]).toEqual(['5220O', 4, [1, 1, 2, 2]]);
  });

  test('reads back to the same runs, whatever the mask', () => {
    for (let i = 0; i < 50; i++) {
      const mask = blob(1 + (i % 7) * 31, 1 + (i % 11) * 23, (i % 10) / 9);
      const back = decodeRle(encodeRle(mask), mask.height, mask.width);
      expect([...back.counts]).toEqual([...mask.counts]);
      expect([...rleFromMask(maskFromRle(mask), mask.height, mask.width).counts]).toEqual([...mask.counts]);
    }
  });

  test.each([
    ['', 'does not describe'],
    ['2313', 'does not describe'],
    ['23 3', 'damaged at character 2'],
    ['231o', 'damaged at character 3'],
    ['ooooooooooo', 'damaged'],
  ])('%j is refused', (text, message) => {
    expect(() => decodeRle(text, 5, 3, 'results[7]')).toThrow(`results[7]: its RLE text`);
    expect(() => decodeRle(text, 5, 3)).toThrow(message);
  });
});

test('runs that do not cover the image are refused', () => {
  expect(() => rleFromCounts([2, 3], 4, 3, 'annotation 9')).toThrow('annotation 9: its runs cover 5 pixels');
  expect(() => rleFromCounts([2, -3, 13], 4, 3)).toThrow('run 1 is -3');
});

test('union, overlap and box agree with the pixels', () => {
  for (let i = 0; i < 20; i++) {
    const [a, b, c] = [blob(23, 17, 0.3), blob(23, 17, 0.5), blob(23, 17, 0.05)];
    const [pa, pb, pc] = [maskFromRle(a), maskFromRle(b), maskFromRle(c)];
    const union = pa.map((x, at) => x | pb[at]! | pc[at]!);
    expect([...rleUnion([a, b, c]).counts]).toEqual([...rleFromMask(union, 23, 17).counts]);
    const both = pa.reduce((sum, x, at) => sum + (x & pb[at]!), 0);
    const any = pa.reduce((sum, x, at) => sum + (x | pb[at]!), 0);
    expect(maskIou(a, b, false)).toBe(both / any);
    expect(maskIou(a, b, true)).toBe(both / rleArea(a));
  }
});

test('masks of two sizes cannot be compared', () => {
  expect(() => maskIou(blob(4, 3, 0.5), blob(3, 4, 0.5), false)).toThrow('4 × 3 and 3 × 4');
});

test('hostile outlines are refused before memory is spent on them', () => {
  expect(() => rleFromPolygon([0, 0, 1e8, 1e8, 5, 5], 10, 10)).toThrow('no image has');
  expect(() => rleFromPolygon([0, 0, NaN, 4, 5, 5], 10, 10)).toThrow('no image has');
  expect(() => rleFromPolygon([0, 0, 1], 10, 10)).toThrow('pairs of coordinates');
  expect(() => rleFromBox([0, 0, 1, 1], 1e6, 1e6)).toThrow('expected a size');
});
