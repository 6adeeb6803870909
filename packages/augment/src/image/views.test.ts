import { expect, test } from 'vitest';
import { createRng, type NdArray } from '@unlabel/core';
import { flipHorizontal, type RgbImage } from '@unlabel/image';
import { gaussianBlur } from './gaussian-blur.ts';
import { normalizeBytes, toBytes, toFloat } from './pixels.ts';
import { randomCropBox } from './random-resized-crop.ts';
import { imageInput, imageViewSchema, imageViewWith, randomImageView, type ImageInputFields } from './views.ts';

const noise = (width: number, height: number, seed = 1): RgbImage => {
  const rng = createRng(seed);
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, () => rng.int(256)) };
};
const input: ImageInputFields = {
  imageSize: 24,
  evaluationSide: 0,
  interpolation: 'bicubic',
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  cacheSide: 0,
};
const off = { jitter: 0, gray: 0, blur: 0, flip: 0 };

test('bytes survive the way through floats, and a box is cut out of them', () => {
  const image = noise(9, 7);
  expect(toBytes(toFloat(image))).toEqual(image);
  const { data } = toBytes(toFloat(image), { top: 2, left: 3, height: 1, width: 2 });
  expect([...data]).toEqual([...image.data.subarray((2 * 9 + 3) * 3, (2 * 9 + 5) * 3)]);
});

test('boxes lie inside, of the drawn share and shape', () => {
  const rng = createRng(2);
  for (let i = 0; i < 500; i++) {
    const { top, left, height, width } = randomCropBox(60, 40, rng, { scale: [0.2, 1] });
    expect(Math.min(top, left, 60 - left - width, 40 - top - height)).toBeGreaterThanOrEqual(0);
    expect((width * height) / 2400).toBeGreaterThan(0.17);
    expect(width / height).toBeGreaterThan(0.68);
    expect(width / height).toBeLessThan(1.6);
  }
});

test('an image too long for every shape gives the middle', () => {
  expect(randomCropBox(100, 10, createRng(1), { scale: [1, 1] })).toEqual({ top: 0, left: 43, height: 10, width: 13 });
  expect(randomCropBox(10, 100, createRng(1), { scale: [1, 1] })).toEqual({ top: 43, left: 0, height: 13, width: 10 });
});

test('a view without changes is the normalised image; mirrored it is the mirrored one', () => {
  const image = noise(24, 24);
  const view = imageViewSchema.parse({ ...off, cropScale: [1, 1], cropRatio: [1, 1] });
  const x = randomImageView(toFloat(image), createRng(1), view, input);
  expect(x.shape).toEqual([24, 24, 3]);
  expect(x).toEqual(normalizeBytes(image, input.mean, input.std));
  expect(x.data[1]).toBeCloseTo((image.data[1]! / 255 - 0.456) / 0.224, 6);
  const mirrored = randomImageView(toFloat(image), createRng(1), { ...view, flip: 1 }, input);
  expect(mirrored).toEqual(normalizeBytes(flipHorizontal(image), input.mean, input.std));
});

test('a flip commutes with the blur, byte for byte', () => {
  const image = noise(31, 17);
  for (const sigma of [0.3, 1.1, 2, 4]) {
    expect(gaussianBlur(flipHorizontal(image), sigma)).toEqual(flipHorizontal(gaussianBlur(image, sigma)));
  }
});

test('the same stream gives the same view, another a different one', () => {
  const image = toFloat(noise(40, 30));
  const view = imageViewSchema.parse({ solarize: 0.5 });
  const draw = (seed: number): NdArray => randomImageView(image, createRng(seed), view, input);
  expect(draw(5)).toEqual(draw(5));
  expect(draw(5)).not.toEqual(draw(6));
  for (let seed = 0; seed < 40; seed++) expect(draw(seed).data.every(Number.isFinite)).toBe(true);
});

test('evaluation brings the shorter side to 8/7 of the crop unless told otherwise; the cache is asked for by its side', () => {
  expect(imageInput({ ...input, imageSize: 224 }).image).toMatchObject({ size: 224, resize: 256 });
  expect(imageInput({ ...input, evaluationSide: 24, cacheSide: 32 }).image).toMatchObject({
    resize: 24,
    cacheSide: 32,
  });
  expect(imageInput(input).image).not.toHaveProperty('cacheSide');
});

test('a view with defaults of its own changes field by field', () => {
  const schema = imageViewWith({ cropScale: [0.2, 1], solarize: 0.2 });
  expect(schema.parse({ flip: 0 })).toEqual({
    ...imageViewSchema.parse({}),
    cropScale: [0.2, 1],
    solarize: 0.2,
    flip: 0,
  });
  expect(() => schema.parse({ blurr: 1 })).toThrow(/blurr/);
});
