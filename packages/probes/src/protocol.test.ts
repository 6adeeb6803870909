import { createRng, type Fold } from '@unlabel/core';
import { testEngine } from '@unlabel/engine';
import { beforeAll, describe, expect, test } from 'vitest';
import { protocols } from './protocol.ts';
import { runProbe, type ProbeRun } from './run-probe.ts';
import type { ProbeSplit } from './protocol-types.ts';

beforeAll(() => testEngine());

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
  ...(protocol.startsWith('hear-') ? { options: { grid: 'fast', points: 2 } } : {}),
  now: () => 0,
});

describe.each(Object.keys(protocols))('the protocol %s', (protocol) => {
  test('scores every test clip once, with a distribution over the classes', async () => {
    const { predictions, selection, n, metrics } = await runProbe(kFoldRun(protocol));
    expect(n).toBe(120);
    // HEAR's predictor takes the clips in an order of its own inside each split.
    const inOrder = (files: string[]): string[] => (protocols[protocol]!.officialOrder ? files.sort() : files);
    const files = names.flatMap((name) => split(name, 30, 3).files);
    expect(inOrder(predictions.map(({ file }) => file))).toEqual(inOrder(files));
    expect(predictions.map(({ fold }) => fold)).toEqual(
      names.flatMap((_, fold) => Array.from({ length: 30 }, () => fold)),
    );
    for (const { scores } of predictions) expect(scores.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 9);
    expect(selection).toHaveLength(4);
    expect(Object.keys(metrics)).toEqual(['top1_acc', 'mAP', 'aucroc']);
  });

  test('gives the same bytes for the same seed', async () => {
    expect(JSON.stringify(await runProbe(kFoldRun(protocol)))).toBe(JSON.stringify(await runProbe(kFoldRun(protocol))));
  });

  test('never sees the test clips', async () => {
    const run = kFoldRun(protocol);
    const changed = new Map(run.splits);
    const original = changed.get('fold00')!;
    const data = original.embeddings!.data.map((value) => -value);
    changed.set('fold00', { ...original, embeddings: { data, width: WIDTH } });
    const folds = run.folds.slice(0, 1);
    const [a, b] = [await runProbe({ ...run, folds, splits: changed }), await runProbe({ ...run, folds })];
    expect(a.selection).toEqual(b.selection);
  });

  test('runs a multilabel task with train, valid and test', async () => {
    const splits = new Map(['train', 'valid', 'test'].map((name) => [name, split(name, 150, 4, true)]));
    const run: ProbeRun = {
      ...kFoldRun(protocol),
      splits,
      folds: [{ train: ['train'], valid: ['valid'], test: ['test'] }],
      vocabulary: ['a', 'b', 'c', 'd'],
      predictionType: 'multilabel',
      metrics: ['mAP', 'd_prime'],
    };
    const { metrics, predictions } = await runProbe(run);
    expect(predictions).toHaveLength(150);
    if (protocol === 'chance/v1') expect(metrics['mAP']!.value).toBeLessThan(0.5);
    else expect(metrics['mAP']!.value).toBeGreaterThan(0.7);
  });
});

test('the linear probe learns what the label frequencies cannot', async () => {
  const [probe, prior] = [
    (await runProbe(kFoldRun('linear/v1'))).metrics,
    (await runProbe(kFoldRun('chance/v1'))).metrics,
  ];
  expect(prior['top1_acc']!.value).toBeCloseTo(1 / 3, 12);
  expect(prior['aucroc']!.value).toBe(0.5);
  expect(probe['top1_acc']!.low!).toBeGreaterThan(prior['top1_acc']!.high!);
});

test('equal validation scores go to the stronger regularisation', async () => {
  const run = kFoldRun('linear/v1');
  const separable = new Map(
    [...run.splits].map(([name, { embeddings, ...rest }]) => {
      const data = embeddings!.data.map((value, i) =>
        i % WIDTH === rest.labels[Math.floor(i / WIDTH)]![0] ? 40 : value / 10,
      );
      return [name, { ...rest, embeddings: { data, width: WIDTH } }] as const;
    }),
  );
  const { selection } = await runProbe({ ...run, splits: separable, options: { strengths: [0.01, 0.1, 1] } });
  expect(selection.map(({ strength }) => strength)).toEqual([1, 1, 1, 1]);
});

test('faults are named', async () => {
  const run = kFoldRun('linear/v1');
  await expect(runProbe({ ...run, protocol: 'linear' })).rejects.toThrow('linear/v1');
  await expect(runProbe({ ...run, options: { strengths: [] } })).rejects.toThrow('strengths');
  await expect(runProbe({ ...run, metrics: ['top1'] })).rejects.toThrow('top1_acc');
  await expect(
    runProbe({ ...run, folds: [{ train: ['fold00'], valid: ['fold9'], test: ['fold01'] }] }),
  ).rejects.toThrow('fold9');
  const [bare] = [{ files: ['a.wav'], labels: [[0]] }];
  await expect(runProbe({ ...run, splits: new Map(names.map((name) => [name, bare])) })).rejects.toThrow(
    'needs embeddings',
  );
  const short = { ...split('x', 30, 3), files: ['a.wav'] };
  await expect(runProbe({ ...run, splits: new Map([...run.splits, ['fold00', short]]) })).rejects.toThrow(
    'fold00: 1 files',
  );
  const odd = { files: ['a.wav'], labels: [[7]] };
  await expect(runProbe({ ...run, splits: new Map([...run.splits, ['fold00', odd]]) })).rejects.toThrow(
    'a.wav has label 7',
  );
});
