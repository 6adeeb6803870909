import { createRng, type Fold } from '@unlabel/core';
import { describe, expect, test } from 'vitest';
import { protocols, runProbe, type ProbeRun } from './protocol.ts';
import type { ProbeSplit } from './protocol-types.ts';

const WIDTH = 24;

/** Clips whose embedding says what they are, with noise. */
function split(name: string, n: number, classes: number, isMultilabel = false): ProbeSplit {
  const rng = createRng(11).fork(name);
  const labels = Array.from({ length: n }, (_, i) =>
    isMultilabel ? Array.from({ length: classes }, (_, c) => c).filter(() => rng.chance(0.4)) : [i % classes],
  );
  const data = Float32Array.from({ length: n * WIDTH }, () => rng.normal());
  for (const [i, row] of labels.entries()) for (const label of row) data[i * WIDTH + label]! += 2;
  return { files: labels.map((_, i) => `${name}-${i}.wav`), labels, embeddings: { data, width: WIDTH } };
}

const kFolds = (names: readonly string[]): Fold[] =>
  names.map((name, i) => {
    const valid = names[(i + 1) % names.length]!;
    return { test: [name], valid: [valid], train: names.filter((other) => other !== name && other !== valid) };
  });

const names = ['fold00', 'fold01', 'fold02', 'fold03'];
const kFoldRun = (protocol: string): ProbeRun => ({
  protocol,
  task: 'toy',
  splits: new Map(names.map((name) => [name, split(name, 30, 3)])),
  folds: kFolds(names),
  vocabulary: ['a', 'b', 'c'],
  predictionType: 'multiclass',
  metrics: ['top1_acc', 'mAP', 'aucroc'],
  seed: 1,
  resamples: 200,
  ...(protocol === 'mlp/v1' ? { options: { hidden: 16, learningRates: [1e-2], maxEpochs: 40 } } : {}),
  now: () => 0,
});

describe.each(Object.keys(protocols))('the protocol %s', (protocol) => {
  test('scores every test clip once, in order, with a distribution over the classes', () => {
    const { predictions, selection, n, metrics } = runProbe(kFoldRun(protocol));
    expect(n).toBe(120);
    expect(predictions.map(({ file }) => file)).toEqual(names.flatMap((name) => split(name, 30, 3).files));
    expect(predictions.map(({ fold }) => fold)).toEqual(
      names.flatMap((_, fold) => Array.from({ length: 30 }, () => fold)),
    );
    for (const { scores } of predictions) expect(scores.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 9);
    expect(selection).toHaveLength(4);
    expect(Object.keys(metrics)).toEqual(['top1_acc', 'mAP', 'aucroc']);
  });

  test('gives the same bytes for the same seed', () => {
    expect(JSON.stringify(runProbe(kFoldRun(protocol)))).toBe(JSON.stringify(runProbe(kFoldRun(protocol))));
  });

  test('never sees the test clips', () => {
    const run = kFoldRun(protocol);
    const changed = new Map(run.splits);
    const original = changed.get('fold00')!;
    const data = original.embeddings!.data.map((value) => -value);
    changed.set('fold00', { ...original, embeddings: { data, width: WIDTH } });
    const folds = run.folds.slice(0, 1);
    expect(runProbe({ ...run, folds, splits: changed }).selection).toEqual(runProbe({ ...run, folds }).selection);
  });

  test('runs a multilabel task with train, valid and test', () => {
    const splits = new Map(['train', 'valid', 'test'].map((name) => [name, split(name, 150, 4, true)]));
    const run: ProbeRun = {
      ...kFoldRun(protocol),
      splits,
      folds: [{ train: ['train'], valid: ['valid'], test: ['test'] }],
      vocabulary: ['a', 'b', 'c', 'd'],
      predictionType: 'multilabel',
      metrics: ['mAP', 'd_prime'],
    };
    const { metrics, predictions } = runProbe(run);
    expect(predictions).toHaveLength(150);
    if (protocol === 'chance/v1') expect(metrics['mAP']!.value).toBeLessThan(0.5);
    else expect(metrics['mAP']!.value).toBeGreaterThan(0.7);
  });
});

test('the linear probe learns what the label frequencies cannot', () => {
  const [probe, prior] = ['linear/v1', 'chance/v1'].map((protocol) => runProbe(kFoldRun(protocol)).metrics) as [
    ReturnType<typeof runProbe>['metrics'],
    ReturnType<typeof runProbe>['metrics'],
  ];
  expect(prior['top1_acc']!.value).toBeCloseTo(1 / 3, 12);
  expect(prior['aucroc']!.value).toBe(0.5);
  expect(probe['top1_acc']!.low!).toBeGreaterThan(prior['top1_acc']!.high!);
});

test('equal validation scores go to the stronger regularisation', () => {
  const run = kFoldRun('linear/v1');
  const separable = new Map(
    [...run.splits].map(([name, { embeddings, ...rest }]) => {
      const data = embeddings!.data.map((value, i) =>
        i % WIDTH === rest.labels[Math.floor(i / WIDTH)]![0] ? 40 : value / 10,
      );
      return [name, { ...rest, embeddings: { data, width: WIDTH } }] as const;
    }),
  );
  const { selection } = runProbe({ ...run, splits: separable, options: { strengths: [0.01, 0.1, 1] } });
  expect(selection.map(({ strength }) => strength)).toEqual([1, 1, 1, 1]);
});

test('faults are named', () => {
  const run = kFoldRun('linear/v1');
  expect(() => runProbe({ ...run, protocol: 'linear' })).toThrow('linear/v1');
  expect(() => runProbe({ ...run, options: { strengths: [] } })).toThrow('strengths');
  expect(() => runProbe({ ...run, metrics: ['top1'] })).toThrow('top1_acc');
  expect(() => runProbe({ ...run, folds: [{ train: ['fold00'], valid: ['fold9'], test: ['fold01'] }] })).toThrow(
    'fold9',
  );
  const [bare] = [{ files: ['a.wav'], labels: [[0]] }];
  expect(() => runProbe({ ...run, splits: new Map(names.map((name) => [name, bare])) })).toThrow('needs embeddings');
  const short = { ...split('x', 30, 3), files: ['a.wav'] };
  expect(() => runProbe({ ...run, splits: new Map([...run.splits, ['fold00', short]]) })).toThrow('fold00: 1 files');
  const odd = { files: ['a.wav'], labels: [[7]] };
  expect(() => runProbe({ ...run, splits: new Map([...run.splits, ['fold00', odd]]) })).toThrow('a.wav has label 7');
});
