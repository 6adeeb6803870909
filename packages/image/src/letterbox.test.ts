import { expect, test } from 'vitest';
import { letterboxImage } from './letterbox.ts';
import { normalizeImage } from './prepare.ts';
import { resizeImage } from './resize.ts';

const input = {
  interpolation: 'bilinear',
  mean: [0.4, 0.5, 0.6] as [number, number, number],
  std: [0.2, 0.3, 0.4] as [number, number, number],
} as const;
const image = { width: 6, height: 3, data: Uint8Array.from({ length: 54 }, (_, i) => (i * 37) % 256) };

test('the whole image stands at the upper left, zeros below', () => {
  const { data, ...rest } = letterboxImage(image, 8, input);
  expect(rest).toEqual({ width: 8, height: 4, scaleX: 8 / 6, scaleY: 4 / 3 });
  expect(data.subarray(0, 8 * 4 * 3)).toEqual(normalizeImage(resizeImage(image, 8, 4, 'bilinear'), input));
  expect(data.subarray(8 * 4 * 3).every((value) => value === 0)).toBe(true);
});

test('a tall image leaves zeros at its right, and a thread keeps a pixel', () => {
  const tall = { width: 3, height: 6, data: image.data };
  const { data, width, height } = letterboxImage(tall, 4, input);
  expect([width, height]).toEqual([2, 4]);
  const resized = normalizeImage(resizeImage(tall, 2, 4, 'bilinear'), input);
  for (let y = 0; y < 4; y++) {
    expect(data.subarray(y * 12, y * 12 + 6)).toEqual(resized.subarray(y * 6, y * 6 + 6));
    expect([...data.subarray(y * 12 + 6, y * 12 + 12)]).toEqual([0, 0, 0, 0, 0, 0]);
  }
  expect(letterboxImage({ width: 1, height: 40, data: new Uint8Array(120) }, 8, input).width).toBe(1);
});
