import { expect, test } from 'vitest';
import { normalizedMutualInformation } from './mutual-information.ts';

const a = Array.from({ length: 60 }, (_, i) => (i * 7 + Math.floor(i / 5)) % 6);
const b = Array.from({ length: 60 }, (_, i) => (i * 3 + Math.floor((i * i) / 11)) % 4);
const c = a.map((x, i) => (i % 9 === 0 ? 3 : Math.floor(x / 2)));

test('has scikit-learn’s values', () => {
  // sklearn.metrics.normalized_mutual_info_score of scikit-learn 1.9.1
  expect(normalizedMutualInformation(a, b)).toBeCloseTo(0.1100837677450428, 12);
  expect(normalizedMutualInformation(a, c)).toBeCloseTo(0.644268549586273, 12);
});

test('is 1 for equal labellings under other names, 0 where one says nothing of the other', () => {
  expect(
    normalizedMutualInformation(
      a,
      a.map((x) => 10 - x),
    ),
  ).toBeCloseTo(1, 12);
  expect(normalizedMutualInformation([0, 0, 1, 1], [0, 1, 0, 1])).toBeCloseTo(0, 12);
  expect(normalizedMutualInformation([3, 3], [5, 5])).toBe(1);
  expect(() => normalizedMutualInformation([1], [])).toThrow('1 and 0 labels');
});
