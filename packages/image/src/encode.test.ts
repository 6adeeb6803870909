import { createRng, DataError } from '@unlabel/core';
import { expect, test } from 'vitest';
import { decodeImage, readImageInfo } from './decode.ts';
import { encodeJpeg, encodePng } from './encode.ts';

const noise = (width: number, height: number, channels: number): Uint8Array => {
  const rng = createRng(1);
  return Uint8Array.from({ length: width * height * channels }, () => rng.int(256));
};

test.each([1, 3, 4])('a PNG of %d channels is read back as it was, also of several blocks', async (channels) => {
  const [width, height] = [171, 143];
  const data = noise(width, height, channels);
  const bytes = encodePng({ width, height, data });
  const decoded = await decodeImage(bytes);
  const expected = Uint8Array.from({ length: width * height * 3 }, (_, i) =>
    channels === 1 ? data[Math.floor(i / 3)]! : data[Math.floor(i / 3) * channels + (i % 3)]!,
  );
  expect(decoded.data).toEqual(expected);
  expect(await readImageInfo(bytes)).toMatchObject({ format: 'png', width, height, channels, bits: 8 });
});

test('a JPEG is read back nearly as it was', async () => {
  const data = Uint8Array.from({ length: 32 * 24 * 3 }, (_, i) => 40 + (i % 3) * 60);
  const decoded = await decodeImage(await encodeJpeg({ width: 32, height: 24, data }, 95));
  expect([decoded.width, decoded.height]).toEqual([32, 24]);
  expect(Math.max(...decoded.data.map((value, i) => Math.abs(value - data[i]!)))).toBeLessThan(4);
});

test('pixels of another size are refused', () => {
  expect(() => encodePng({ width: 4, height: 4, data: new Uint8Array(17) })).toThrow(DataError);
});
