import { readFileSync } from 'node:fs';
import { createRng } from '@unlabel/core';
import { describe, expect, test } from 'vitest';
import { runProbe } from '../run-probe.ts';
import type { ProbeSplit } from '../protocol-types.ts';
import { bestCost, drawShots, lowShotAps, prepareTest, type Shots } from './low-shot.ts';

interface Fixture {
  width: number;
  classes: number;
  costs: number[];
  train: number[];
  trainFlags: number[];
  test: number[];
  testFlags: number[];
  shots: Shots[];
  aps: number[][];
}
const sklearn = JSON.parse(
  readFileSync(new URL('../../fixtures/svm/low-shot.json', import.meta.url), 'utf8'),
) as Fixture;
const { width, classes, costs } = sklearn;
const train = { embeddings: { data: Float64Array.from(sklearn.train), width }, flags: sklearn.trainFlags };
const held = { embeddings: { data: Float64Array.from(sklearn.test), width }, flags: sklearn.testFlags };

test('AP of each class and cost is scikit-learn’s on the same images', () => {
  const aps = lowShotAps(train.embeddings, sklearn.shots, prepareTest(held), costs);
  aps.forEach((row, i) => row.forEach((ap, c) => expect(ap, `${i}, ${c}`).toBeCloseTo(sklearn.aps[i]![c]!, 10)));
});

describe('drawn images', () => {
  test('are k with the class and 19 k without, none ignored, and all that there are where they are fewer', () => {
    for (const k of [1, 2, 5]) {
      const drawn = drawShots(train, classes, k, createRng(1))!;
      drawn.forEach(({ positives, negatives }, c) => {
        const flagOf = (i: number): number => train.flags[i * classes + c]!;
        const without = train.flags.filter((flag, i) => i % classes === c && flag === -1).length;
        expect([positives.length, negatives.length]).toEqual([k, Math.min(19 * k, without)]);
        expect([...new Set(positives.map(flagOf)), ...new Set(negatives.map(flagOf))]).toEqual([1, -1]);
        expect(new Set([...positives, ...negatives]).size).toBe(positives.length + negatives.length);
      });
    }
    expect(drawShots(train, classes, 60, createRng(1))).toBeUndefined();
  });

  test('are a function of the seed, and every image comes up', () => {
    const draw = (seed: number): Shots[] => drawShots(train, classes, 2, createRng(seed))!;
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
    const seen = new Set(Array.from({ length: 200 }, (_, seed) => draw(seed)[0]!.positives).flat());
    expect(seen.size).toBe(train.flags.filter((flag, i) => i % classes === 0 && flag === 1).length);
  });
});

test('the best cost is that of the mean over samples; classes without a test image are left out', () => {
  const samples = [
    [[0.2, NaN], [0.6, NaN]],
    [[0.9, NaN], [0.6, NaN]],
  ]; // prettier-ignore
  expect(bestCost(4, samples, [1, 10])).toMatchObject({ k: 4, cost: 10, samples: [0.6, 0.6], mean: 0.6, deviation: 0 });
  const other = bestCost(4, [samples[0]!], [1, 10]);
  expect([other.cost, other.deviation]).toEqual([10, 0]);
});

describe('the protocol', () => {
  const splitOf = (flags: readonly number[], data: readonly number[], name: string): ProbeSplit => {
    const n = data.length / width;
    const having = (flag: number) => (_: unknown, i: number) =>
      [...Array.from({ length: classes }).keys()].filter((c) => flags[i * classes + c] === flag);
    return {
      files: Array.from({ length: n }, (_, i) => `${name}${String(i).padStart(3, '0')}`),
      labels: Array.from({ length: n }, having(1)),
      ignored: Array.from({ length: n }, having(0)),
      embeddings: { data: Float32Array.from(data), width },
    };
  };
  const [first, second] = [60 * width, 60 * classes];
  const splits = new Map([
    ['train', splitOf(sklearn.trainFlags.slice(0, second), sklearn.train.slice(0, first), 'a')],
    ['valid', splitOf(sklearn.trainFlags.slice(second), sklearn.train.slice(first), 'b')],
    ['test', splitOf(sklearn.testFlags, sklearn.test, 'c')],
  ]);
  const run = (change: object = {}) =>
    runProbe({
      protocol: 'voc07-lowshot/v1',
      options: { shots: [1, 4, 90], samples: 3 },
      task: 't',
      splits,
      folds: [{ train: ['train'], valid: ['valid'], test: ['test'] }],
      vocabulary: ['x', 'y', 'z'],
      predictionType: 'multilabel',
      metrics: ['voc_ap'],
      seed: 0,
      now: () => 0,
      ...change,
    });

  test('gives mean, deviation and interval of the samples at each k, and says which are left out', async () => {
    const { metrics, primary, selection, n, predictions } = await run();
    expect([primary, n, predictions]).toEqual(['voc_ap_mean', 60, []]);
    expect(Object.keys(metrics)).toEqual(['voc_ap_mean', 'voc_ap_k1', 'voc_ap_k4']);
    const { samples, deviation } = selection[1] as { samples: number[]; deviation: number };
    const mean = samples.reduce((sum, value) => sum + value, 0) / 3;
    const spread = Math.sqrt(samples.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 2);
    expect(deviation).toBeCloseTo(spread, 12);
    const four = metrics['voc_ap_k4']!;
    expect(four.value).toBeCloseTo(mean, 12);
    expect(four.high! - four.low!).toBeCloseTo((2 * 4.303 * spread) / Math.sqrt(3), 10);
    expect(four.value).toBeGreaterThan(metrics['voc_ap_k1']!.value!);
    expect(metrics['voc_ap_mean']!.note).toBe('mean over k = 1, 4; some class has fewer than 90 positive images');
    expect((await run()).selection).toEqual(selection);
  });

  test('refuses folds, one class, and options that are none', async () => {
    const fold = { train: ['train'], valid: ['valid'], test: ['test'] };
    await expect(run({ folds: [fold, fold] })).rejects.toThrow('and the task has 2 folds');
    await expect(run({ options: { shots: [90] } })).rejects.toThrow('fewer than 90 training images');
    await expect(run({ options: { shots: [0] } })).rejects.toThrow('voc07-lowshot/v1: options');
  });
});
