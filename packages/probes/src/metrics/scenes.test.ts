import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { meanIou } from './mean-iou.ts';
import { retrieval } from './retrieval.ts';

const fixture = JSON.parse(readFileSync(new URL('../../fixtures/retrieval-iou.json', import.meta.url), 'utf8')) as {
  rows: number[];
  groups: number[];
  mAP: number;
  recall: Record<string, number>;
  queries: number;
  truth: number[];
  found: number[];
  iou: number[];
}; // made by tools/fixtures/scene_metrics.py

test('retrieval is scikit-learn’s average precision of each query; rows without another of their group do not ask', () => {
  const { rows, groups, recall } = fixture;
  const scores = retrieval(Float32Array.from(rows), 5, groups, [1, 3]);
  expect(scores.mAP).toBeCloseTo(fixture.mAP, 12);
  expect(scores.recall).toEqual([recall['1'], recall['3']]);
  expect(scores.queries).toBe(fixture.queries);
  const louder = Float32Array.from(rows, (value, i) => value * (1 + Math.floor(i / 5)));
  expect(retrieval(louder, 5, groups, [1]).mAP).toBeCloseTo(fixture.mAP, 6);
  expect(() => retrieval(Float32Array.of(1, 2), 2, ['a', 'b'], [1])).toThrow(/expected \[2, 2\]/);
  expect(() => retrieval(Float32Array.of(1, 2, 3, 4), 2, ['a', 'b'], [1])).toThrow(/no row has another/);
});

test('IoU is scikit-learn’s jaccard score of each class; an absent class counts not', () => {
  const { truth, found, iou } = fixture;
  const { perClass, mean } = meanIou(truth, found, 4);
  perClass.forEach((value, c) => expect(value).toBeCloseTo(iou[c]!, 12));
  expect(mean).toBeCloseTo((iou[0]! + iou[1]! + iou[2]!) / 3, 12);
  expect(meanIou([0, 1, 1], [0, 1, 0], 3)).toEqual({ perClass: [0.5, NaN], mean: 0.5 });
  expect(() => meanIou([0], [3], 3)).toThrow(/pixel 0 has class 0 and 3/);
});
