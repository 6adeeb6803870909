import { expect, test } from 'vitest';
import { averageRanks, bordaPoints, meanScores, ranksOf, winRates, type Scores } from './ranking.ts';

// Reference example: three models on three tasks, with a tie on the third.
const example: Scores = [
  [0.9, 0.2, 0.5],
  [0.8, 0.3, 0.5],
  [0.7, 0.1, 0.6],
];
const close = (actual: readonly (number | null)[], expected: readonly number[]): void => {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 12);
};

test('ranks, points, means and win rates of the reference example', () => {
  expect([0, 1, 2].map((task) => ranksOf(example.map((row) => row[task]!)))).toEqual([
    [1, 2, 3],
    [2, 1, 3],
    [2.5, 2.5, 1],
  ]);
  expect(bordaPoints(example)).toEqual([3.5, 3.5, 2]);
  close(meanScores(example), [1.6 / 3, 1.6 / 3, 1.4 / 3]);
  close(winRates(example), [3.5 / 6, 3.5 / 6, 2 / 6]);
  close(averageRanks(example), [5.5 / 3, 5.5 / 3, 7 / 3]);
});

test('a row that lacks a task has no mean and no average rank, and its strong scores do not move the others', () => {
  const scores: Scores = [...example, [0.99, null, 0.99]];
  expect(meanScores(scores)[3]).toBeNull();
  expect(averageRanks(scores)[3]).toBeNull();
  close(averageRanks(scores).slice(0, 3), [5.5 / 3, 5.5 / 3, 7 / 3]);
  expect(bordaPoints(scores)).toEqual([2 + 1 + 0.5, 1 + 2 + 0.5, 0 + 0 + 2, 3 + 0 + 3]);
  close(winRates(scores), [3.5 / 8, 3.5 / 8, 2 / 8, 1]);
});

test('nothing to compare gives nothing', () => {
  expect(meanScores([[]])).toEqual([null]);
  expect(winRates([[0.5]])).toEqual([null]);
  expect(averageRanks([])).toEqual([]);
});
