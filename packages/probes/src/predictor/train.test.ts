import { createRng, type Fold, type TaskEvent } from '@unlabel/core';
import { testEngine } from '@unlabel/engine';
import { beforeAll, describe, expect, test } from 'vitest';
import { runProbe, warmProbe, type ProbeRun } from '../run-probe.ts';
import type { Journal, ProbeSplit } from '../protocol-types.ts';
import { batchBounds } from './data.ts';
import { officialOrder } from './order.ts';

beforeAll(() => testEngine());

const width = 8;

function clips(name: string, n: number): ProbeSplit {
  const rng = createRng(21).fork(name);
  const labels = Array.from({ length: n }, (_, i) => [i % 3]);
  const data = Float32Array.from({ length: n * width }, () => rng.normal());
  labels.forEach(([label], i) => (data[i * width + label!]! += 2));
  return { files: labels.map((_, i) => `${name}-${i}.wav`), labels, embeddings: { data, width } };
}

/** Half-second events of two labels in files of 4 s, 50 ms a frame; the first features say what is on. */
function recordings(name: string, n: number): ProbeSplit {
  const rng = createRng(22).fork(name);
  const frames = 80;
  const events: TaskEvent[][] = Array.from({ length: n }, () =>
    [0, 1].map((label) => {
      const start = 100 + 2000 * label + Math.floor(rng.uniform() * 1000);
      return { label, start, end: start + 600 };
    }),
  );
  const timestamps = Float64Array.from({ length: n * frames }, (_, row) => 25 + 50 * (row % frames));
  const data = Float32Array.from({ length: n * frames * width }, () => 0.3 * rng.normal());
  events.forEach((list, file) => {
    for (const { label, start, end } of list) {
      for (let t = 0; t < frames; t++) {
        const ms = timestamps[file * frames + t]!;
        if (ms >= start && ms < end) data[(file * frames + t) * width + label]! += 2;
      }
    }
  });
  const offsets = Int32Array.from({ length: n + 1 }, (_, i) => i * frames);
  return {
    files: events.map((_, i) => `${name}-${i}.wav`),
    labels: events.map(() => [0, 1]),
    embeddings: { data, width },
    frames: { offsets, timestamps, events },
  };
}

const names = ['fold00', 'fold01', 'fold02'];
const folds: Fold[] = names.map((test, i) => {
  const valid = names[(i + 1) % 3]!;
  return { test: [test], valid: [valid], train: names.filter((name) => name !== test && name !== valid) };
});
const base: ProbeRun = {
  protocol: 'hear-faithful/v1',
  options: { grid: 'faster', points: 4 },
  task: 'toy',
  splits: new Map(names.map((name) => [name, clips(name, 40)])),
  folds,
  vocabulary: ['a', 'b', 'c'],
  predictionType: 'multiclass',
  metrics: ['top1_acc', 'mAP'],
  seed: 5,
  resamples: 50,
  now: () => 0,
};

function memoryJournal(): Journal & { readonly held: Map<string, Uint8Array> } {
  const held = new Map<string, Uint8Array>();
  return {
    held,
    load: (key) => Promise.resolve(held.get(key)),
    save: (key, bytes) => Promise.resolve(void held.set(key, bytes)),
  };
}

describe.each(['hear-faithful/v1', 'hear-better/v1'])('%s', (protocol) => {
  const run = { ...base, protocol };

  test('a fit that goes on from any finished points gives the bytes of an undisturbed one', async () => {
    const whole = memoryJournal();
    const expected = JSON.stringify(await runProbe({ ...run, journal: whole }));
    const keys = [...whole.held.keys()];
    expect(keys).toHaveLength(protocol === 'hear-better/v1' ? 12 : 6);
    for (const kept of [[], keys.slice(0, 1), keys.slice(1, 3), keys.slice(0, 5), keys]) {
      const journal = memoryJournal();
      for (const key of kept) journal.held.set(key, whole.held.get(key)!);
      expect(JSON.stringify(await runProbe({ ...run, journal }))).toBe(expected);
    }
  });

  test('workers that share the points make the same pieces', async () => {
    const [alone, shared] = [memoryJournal(), memoryJournal()];
    const expected = JSON.stringify(await runProbe({ ...run, journal: alone }));
    for (const stage of ['search', 'folds'] as const) {
      for (const index of [1, 0]) await warmProbe({ ...run, journal: shared }, { index, of: 2, stage });
    }
    expect([...shared.held.keys()].sort()).toEqual([...alone.held.keys()].sort());
    expect(JSON.stringify(await runProbe({ ...run, journal: shared }))).toBe(expected);
  });
});

test('faithful uses the first fold’s winner everywhere, better chooses within each fold', async () => {
  const faithful = await runProbe(base);
  expect(faithful.selection.map(({ tried }) => (tried as unknown[]).length)).toEqual([4, 1, 1]);
  expect(new Set(faithful.selection.map(({ gridPoint }) => gridPoint)).size).toBe(1);
  const better = await runProbe({ ...base, protocol: 'hear-better/v1' });
  expect(better.selection.map(({ tried }) => (tried as unknown[]).length)).toEqual([4, 4, 4]);
  const last = await runProbe({ ...base, only: [2] });
  expect(last.selection).toEqual(faithful.selection.slice(2));
});

test('events are found in frames, and scored by the setting that was best on validation', async () => {
  const splits = new Map(
    ['train', 'valid', 'test'].map((name, i) => [name, recordings(name, 12 - 4 * Math.min(i, 1))]),
  );
  const run: ProbeRun = {
    ...base,
    splits,
    folds: [{ train: ['train'], valid: ['valid'], test: ['test'] }],
    predictionType: 'multilabel',
    vocabulary: ['a', 'b'],
    metrics: ['event_onset_200ms_fms', 'segment_1s_er'],
    options: { grid: 'fast', points: 2 },
  };
  const { metrics, predictions, selection, outcomes } = await runProbe(run);
  expect(metrics['event_onset_200ms_fms']!.value).toBeGreaterThan(0.8);
  expect(predictions).toHaveLength(8);
  expect(predictions[0]!.events!.reference).toHaveLength(2);
  expect(selection[0]!['postProcessing']).toMatchObject({ medianFilterMs: 250 });
  expect(Object.keys(outcomes[0]!.metrics)).toContain('event_onset_200ms_fms_precision');
  await expect(runProbe({ ...run, protocol: 'linear/v1', options: {} })).rejects.toThrow('hear-faithful/v1');
});

test('faults are named', async () => {
  const broken = (change: (split: ProbeSplit) => ProbeSplit): ProbeRun => ({
    ...base,
    splits: new Map([...base.splits].map(([name, split]) => [name, name === 'fold02' ? change(split) : split])),
  });
  const nan = broken((split) => ({
    ...split,
    embeddings: { data: Float32Array.from(split.embeddings!.data).fill(NaN, 9, 10), width },
  }));
  await expect(runProbe(nan)).rejects.toThrow('the embedding of clip');
  const two = broken((split) => ({ ...split, labels: split.labels.map((row, i) => (i === 3 ? [0, 1] : row)) }));
  await expect(runProbe(two)).rejects.toThrow('fold02-3.wav has 2 labels');
  const overlapping = folds.map((fold) => ({ ...fold, valid: fold.test }));
  await expect(runProbe({ ...base, folds: overlapping })).rejects.toThrow('is used twice');
  await expect(runProbe({ ...base, options: { grid: 'slow' } })).rejects.toThrow('grid');
});

test('a last batch of one row joins the one before', () => {
  expect(batchBounds(2048, 1024)).toEqual([0, 1024, 2048]);
  expect(batchBounds(2049, 1024)).toEqual([0, 1024, 2049]);
  expect(batchBounds(5, 1024)).toEqual([0, 5]);
});

test('the official order runs one generator on over the splits and keeps rows with their files', () => {
  const moved = officialOrder(
    new Map([
      ['train', recordings('x', 5)],
      ['valid', recordings('y', 4)],
    ]),
  );
  const { files, frames, embeddings } = moved.get('train')!;
  // Python: r = random.Random(0); a = list(range(5)); r.shuffle(a); b = list(range(4)); r.shuffle(b)
  expect(files).toEqual([2, 1, 0, 4, 3].map((i) => `x-${i}.wav`));
  expect(moved.get('valid')!.files).toEqual([0, 2, 1, 3].map((i) => `y-${i}.wav`));
  const original = recordings('x', 5);
  expect(frames!.events[0]).toEqual(original.frames!.events[2]);
  expect(embeddings!.data.slice(0, 10)).toEqual(original.embeddings!.data.slice(2 * 80 * width, 2 * 80 * width + 10));
});
