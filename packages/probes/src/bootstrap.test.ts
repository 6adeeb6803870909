import { createRng, type Prediction } from '@unlabel/core';
import { describe, expect, test } from 'vitest';
import { bootstrapValues, foldScorers, metricValues, percentileInterval, resampleRng } from './bootstrap.ts';
import { pairedDifferences } from './paired.ts';

/** Two-class predictions of `n` clips a fold, right with probability `accuracy`. */
function simulate(seed: number, accuracy: number, sizes: readonly number[]): Prediction[] {
  const rng = createRng(seed);
  return sizes.flatMap((n, fold) =>
    Array.from({ length: n }, (_, i) => {
      const label = i % 2;
      const guess = rng.chance(accuracy) ? label : 1 - label;
      const score = 0.5 + 0.5 * rng.uniform();
      return { fold, file: `${i}.wav`, labels: [label], scores: guess === 0 ? [score, 1 - score] : [1 - score, score] };
    }),
  );
}
const options = { seed: 1, resamples: 2000 };

describe('the bootstrap', () => {
  test('gives accuracy the standard error of a binomial proportion', () => {
    const predictions = simulate(3, 0.8, [400]);
    const scorers = foldScorers({ task: 't', predictions, classes: 2 }, 'top1_acc');
    const [values] = bootstrapValues([scorers], resampleRng(1, 't'), 4000);
    const p = scorers.scorers[0]!();
    const mean = values!.reduce((sum, value) => sum + value, 0) / values!.length;
    const deviation = Math.sqrt(values!.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values!.length);
    // Monte Carlo error of a deviation from 4,000 draws is 1.1 %; 4 of those.
    expect(Math.abs(deviation / Math.sqrt((p * (1 - p)) / 400) - 1)).toBeLessThan(0.045);
    expect(Math.abs(mean - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / 400 / 4000));
  });

  test('reports the mean over folds, not the pooled clips', () => {
    const predictions = [...simulate(1, 1, [10]), ...simulate(1, 0, [0, 90])];
    const { top1_acc } = metricValues({ task: 't', predictions, classes: 2 }, ['top1_acc'], options);
    expect(top1_acc).toEqual({ value: 0.5, low: 0.5, high: 0.5, higherIsBetter: true });
  });

  test('holds the value and has the same bits for the same seed, and others for another', () => {
    const task = { task: 't', predictions: simulate(5, 0.7, [60, 60]), classes: 2 };
    const names = ['top1_acc', 'mAP', 'aucroc', 'd_prime'];
    const values = metricValues(task, names, options);
    expect(Object.keys(values)).toEqual(names);
    for (const { value, low, high } of Object.values(values)) {
      expect(low!).toBeLessThan(value!);
      expect(high!).toBeGreaterThan(value!);
    }
    expect(metricValues(task, names, options)).toEqual(values);
    expect(metricValues(task, names, { ...options, seed: 2 })['mAP']).not.toEqual(values['mAP']);
  });

  test('covers the true accuracy about 95 times in 100', () => {
    const covered = Array.from({ length: 150 }, (_, seed) => {
      const task = { task: `t${seed}`, predictions: simulate(1000 + seed, 0.75, [100]), classes: 2 };
      const { low, high } = metricValues(task, ['top1_acc'], { seed, resamples: 300 })['top1_acc']!;
      return low! <= 0.75 && high! >= 0.75;
    }).filter(Boolean).length;
    expect(covered).toBeGreaterThanOrEqual(133); // binomial(150, 0.95) is below 133 once in 500 draws
    expect(covered).toBeLessThanOrEqual(150);
  });

  test('says why a metric has no value', () => {
    const perfect = simulate(1, 1, [20]);
    const single = perfect.filter(({ labels }) => labels[0] === 0);
    const names = ['top1_acc', 'd_prime', 'aucroc'];
    const ofPerfect = metricValues({ task: 't', predictions: perfect, classes: 2 }, names, options);
    expect(ofPerfect['d_prime']).toMatchObject({ value: null, low: null, high: null });
    expect(ofPerfect['d_prime']?.note).toContain('without error');
    expect(ofPerfect['aucroc']).toMatchObject({ value: 1, low: 1, high: 1 });
    const ofSingle = metricValues({ task: 't', predictions: single, classes: 2 }, names, options);
    expect(ofSingle['aucroc']?.note).toContain('one kind');
  });

  test('holds the score where resampling is biased: average precision with few positives a class', () => {
    const predictions = Array.from({ length: 90 }, (_, i) => ({
      fold: i % 5,
      file: `${i}.wav`,
      labels: [i % 9],
      scores: Array.from({ length: 9 }, () => 1 / 9),
    }));
    const prepared = foldScorers({ task: 't', predictions, classes: 9 }, 'mAP');
    const [values] = bootstrapValues([prepared], resampleRng(1, 't'), 500);
    const { value, low, high } = metricValues({ task: 't', predictions, classes: 9 }, ['mAP'], options)['mAP']!;
    expect(percentileInterval(values!).low!).toBeGreaterThan(value!); // what the shift is for
    expect(low!).toBeLessThan(value!);
    expect(high!).toBeGreaterThan(value!);
  });

  test('keeps a shifted interval inside the bounds of its metric', () => {
    const values = Float64Array.of(0.1, 0.2, 0.3, 0.4);
    expect(percentileInterval(values, { value: 0, bounds: [0, 1] }).low).toBe(0);
    expect(percentileInterval(values, { value: 1, bounds: [0, 1] }).high).toBe(1);
  });

  test('takes percentiles between order statistics and leaves out undefined resamples', () => {
    const values = Float64Array.from({ length: 101 }, (_, i) => 100 - i);
    expect(percentileInterval(values)).toEqual({ low: 2.5, high: 97.5 });
    values[0] = NaN;
    expect(percentileInterval(values).high).toBeCloseTo(96.525, 9);
    expect(percentileInterval(values.fill(NaN, 0, 20))).toEqual({ low: null, high: null });
  });
});

describe('the paired bootstrap', () => {
  const a = simulate(7, 0.85, [100, 100]);
  // b errs where a errs and on every ninth clip besides: nearly the same mistakes, so the difference is sharper than the scores.
  const b = a.map((clip, i) => (i % 9 === 0 ? { ...clip, scores: [clip.labels[0]!, 1 - clip.labels[0]!] } : clip));
  const task = { task: 't', metric: 'top1_acc', classes: 2 };

  test('is narrower than the scores when the models share their mistakes', () => {
    const { tasks, mean } = pairedDifferences([{ ...task, a, b: b.toReversed() }], options);
    const { value, low, high } = tasks['t']!;
    expect(value).toBeGreaterThan(0.05);
    expect(low!).toBeGreaterThan(0);
    const own = metricValues({ task: 't', predictions: a, classes: 2 }, ['top1_acc'], options)['top1_acc']!;
    expect(high! - low!).toBeLessThan(own.high! - own.low!);
    expect(mean).toEqual(tasks['t']);
  });

  test('is zero without width for a model and itself, and turns its sign with the models', () => {
    expect(pairedDifferences([{ ...task, a, b: a }], options).mean).toEqual({ value: 0, low: 0, high: 0 });
    const forward = pairedDifferences([{ ...task, a, b }], options).mean;
    const backward = pairedDifferences([{ ...task, a: b, b: a }], options).mean;
    expect(backward.value).toBeCloseTo(-forward.value!, 12);
    expect(backward.low).toBeCloseTo(-forward.high!, 12);
  });

  test('averages over the tasks of a suite', () => {
    const other = { ...task, task: 'u', a, b: a };
    const { tasks, mean } = pairedDifferences([{ ...task, a, b }, other], options);
    expect(mean.value).toBeCloseTo(tasks['t']!.value! / 2, 12);
  });

  test('refuses models tested on other clips or labels', () => {
    expect(() => pairedDifferences([{ ...task, a, b: b.slice(1) }], options)).toThrow('same clips');
    const renamed = b.map((clip, i) => (i === 3 ? { ...clip, file: 'x.wav' } : clip));
    expect(() => pairedDifferences([{ ...task, a, b: renamed }], options)).toThrow('one of the two');
    const relabelled = b.map((clip, i) => (i === 3 ? { ...clip, labels: [1 - clip.labels[0]!] } : clip));
    expect(() => pairedDifferences([{ ...task, a, b: relabelled }], options)).toThrow('other true labels');
  });
});
