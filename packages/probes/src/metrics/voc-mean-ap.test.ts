import { createRng } from '@unlabel/core';
import { expect, test } from 'vitest';
import { vocClassificationAp } from './detection/voc-ap.ts';
import { vocMeanAp } from './voc-mean-ap.ts';

const rng = createRng(3);
const [n, classes] = [60, 3];
const scores = Float64Array.from({ length: n * classes }, () => Math.round(rng.normal() * 4)); // many are equal
const labels = Array.from({ length: n }, () => [0, 1].filter(() => rng.chance(0.3))); // nothing has class 2
const ignored = labels.map((own) => [0, 1].filter((c) => !own.includes(c) && rng.chance(0.2)));

/** The single-class function on the images that count. */
function literal(picked: readonly number[]): number {
  const aps = [0, 1].map((c) => {
    const rows = picked.filter((i) => !ignored[i]!.includes(c));
    return vocClassificationAp(
      rows.map((i) => scores[i * classes + c]!),
      rows.map((i) => (labels[i]!.includes(c) ? 1 : 0)),
    );
  });
  return (aps[0]! + aps[1]!) / 2;
}

test('is the mean of VOC’s AP over the classes there are, without ignored images', () => {
  const all = Array.from({ length: n }, (_, i) => i);
  expect(vocMeanAp.compute({ scores, labels, ignored, classes })).toBeCloseTo(literal(all), 12);
  expect(vocMeanAp.compute({ scores, labels, classes })).not.toBeCloseTo(literal(all), 3);
});

test('a resample counts repeated images one after another', () => {
  const counts = Int32Array.from({ length: n }, () => rng.int(3));
  const picked = Array.from(counts).flatMap((count, i) => Array.from({ length: count }, () => i));
  expect(vocMeanAp.prepare({ scores, labels, ignored, classes })(counts)).toBeCloseTo(literal(picked), 12);
});

test('is undefined when no class has an image', () => {
  expect(vocMeanAp.compute({ scores: [0.5, 0.5] as never, labels: [[], []], classes: 1 })).toBeNaN();
});
