import { createRng } from '@unlabel/core';
import type { RgbImage } from '@unlabel/image';
import { expect, test } from 'vitest';
import { composeScene } from './compose-scene.ts';
import type { CutOut } from './emoji.ts';

const side = 96;
const photo: RgbImage = { width: 100, height: 100, data: new Uint8Array(30000).fill(7) };

/** A square of one colour with a margin of nothing around it. */
function square(color: readonly [number, number, number]): CutOut {
  const alpha = Uint8Array.from({ length: 256 }, (_, i) => {
    const [x, y] = [i % 16, Math.floor(i / 16)];
    return x >= 2 && x < 14 && y >= 4 && y < 12 ? 255 : 0;
  });
  return {
    width: 16,
    height: 16,
    alpha,
    color: Uint8Array.from({ length: 768 }, (_, i) => (alpha[Math.floor(i / 3)]! / 255) * color[i % 3]!),
  };
}

const cutOuts = [
  { cutOut: square([250, 1, 1]), label: 0 },
  { cutOut: square([1, 250, 1]), label: 1 },
];
const sceneOf = (i: number): ReturnType<typeof composeScene> =>
  composeScene({ side, cutOuts, photos: [photo] }, createRng(5).fork(i));
const scenes = Array.from({ length: 60 }, (_, i) => sceneOf(i));

test('a scene is a function of its place alone', () => {
  expect(sceneOf(3)).toEqual(scenes[3]);
  expect(scenes[4]!.data).not.toEqual(scenes[3]!.data);
});

test('boxes are tight around what can be seen, inside the image', () => {
  for (const { objects, data } of scenes) {
    expect(objects.length).toBeGreaterThan(0);
    for (const { box: [x, y, w, h], area } of objects) {
      expect(Math.min(x, y) >= 0 && x + w <= side && y + h <= side && w > 0 && h > 0).toBe(true);
      expect(area).toBeGreaterThan(0);
      expect(area).toBeLessThanOrEqual(w * h);
    }
    const { box, label, area } = objects.at(-1)!; // nothing lies over the last
    const [x, y, w, h] = box;
    expect(area).toBeGreaterThan(0.97 * w * h); // the corners are half seen through
    const middle = 3 * ((y + (h >> 1)) * side + x + (w >> 1));
    expect(data[middle + label]).toBeGreaterThan(240);
    expect(data[middle + 1 - label]).toBeLessThan(10);
  }
}); // prettier-ignore

test('some objects are mostly hidden, and none is wholly', () => {
  const all = scenes.flatMap(({ objects }) => objects);
  const hidden = all.filter(({ isDifficult }) => isDifficult).length;
  expect(hidden).toBeGreaterThan(0);
  expect(hidden).toBeLessThan(all.length / 3);
});

test('photographs are among the backgrounds', () => {
  const dark = scenes.filter(({ data }) => data.filter((value) => value === 7).length > 3000);
  expect(dark.length).toBeGreaterThan(5);
  expect(dark.length).toBeLessThan(30);
});
