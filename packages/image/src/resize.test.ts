import { expect, test } from 'vitest';
import { centerCrop, cropImage, halfToEven } from './crop.ts';
import type { RgbImage } from './decode.ts';
import { resizeFloat } from './resize-float.ts';
import { resizeImage, resizeShortSide } from './resize.ts';

// Byte for byte against Pillow and torch: goldens image-ops-0 … 2 in @unlabel/augment.

const ramp = (width: number, height: number): RgbImage => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37) % 256),
});

test('the size it has is left alone, whatever the filter', () => {
  const image = ramp(7, 5);
  for (const how of ['nearest', 'bilinear', 'bicubic'] as const)
    expect(resizeImage(image, 7, 5, how).data).toEqual(image.data);
});

test('an even image stays even', () => {
  const grey: RgbImage = { width: 9, height: 6, data: new Uint8Array(9 * 6 * 3).fill(77) };
  for (const how of ['nearest', 'bilinear', 'bicubic'] as const) {
    expect(resizeImage(grey, 4, 13, how).data.every((v) => v === 77)).toBe(true);
  }
});

test('halving bilinearly weighs the four nearest rows by triangles', () => {
  const column = [0, 0, 0, 40, 40, 40, 80, 80, 80, 120, 120, 120];
  const image: RgbImage = { width: 1, height: 4, data: Uint8Array.from(column) };
  // weights 3, 3, 1 of 7 at the upper border
  expect([...resizeImage(image, 1, 2, 'bilinear').data.subarray(0, 3)]).toEqual([29, 29, 29]);
});

test('the shorter side is brought to a size, the longer follows', () => {
  expect(resizeShortSide(ramp(64, 48), 32, 'bilinear')).toMatchObject({ width: 42, height: 32 });
  expect(resizeShortSide(ramp(48, 64), 32, 'bilinear')).toMatchObject({ width: 32, height: 42 });
});

test('crops may lie outside, where it is black; the middle is where torchvision has it', () => {
  const image = ramp(4, 3);
  expect([...cropImage(image, { top: -1, left: 3, height: 2, width: 2 }).data]).toEqual([
    ...Array.from({ length: 6 }, () => 0),
    ...image.data.subarray(9, 12),
    0,
    0,
    0,
  ]);
  expect(centerCrop(ramp(5, 5), 2).data.subarray(0, 3)).toEqual(ramp(5, 5).data.subarray((2 * 5 + 2) * 3, 39)); // 1.5 → 2
  expect([halfToEven(2.5), halfToEven(3.5), halfToEven(2.4)]).toEqual([2, 4, 2]);
});

test('float images: reducing without antialiasing skips pixels', () => {
  const x = { data: Float32Array.from([0, 1, 0, 0, 0, 0, 0, 0]), shape: [1, 1, 8] };
  const sum = (isAntialiased: boolean): number =>
    resizeFloat(x, 2, 1, { interpolation: 'bilinear', isAntialiased }).data.reduce((a, b) => a + b, 0);
  expect(sum(false)).toBeCloseTo(0.5, 6);
  expect(sum(true)).toBeGreaterThan(0.2);
  expect(() => resizeImage(ramp(2, 2), 0, 2, 'bicubic')).toThrow(/above 0/);
});
