import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DataError } from '@unlabel/core';
import { expect, test } from 'vitest';
import { findTasks, foldsOf, loadClip, nearestRate, openTask, targetsOf } from './index.ts';
import { noise, writeTinyTask } from './testing.ts';

const foldSplits = { fold02: { 'x.wav': ['cat'] }, fold00: { 'y.wav': ['dog'] }, fold01: { 'z.wav': ['cat'] } };

test('opens a train/valid/test task with labels as indices in the order of the files', async () => {
  const task = await openTask(await writeTinyTask());
  expect(task.id).toBe('tiny');
  expect(task.revision).toMatch(/^v1-full@[0-9a-f]{12}$/);
  expect(task.vocabulary).toEqual(['cat', 'dog']);
  expect([...task.splits.keys()]).toEqual(['train', 'valid', 'test']);
  expect(task.splits.get('test')).toEqual([
    { file: 'e.wav', labels: [1] },
    { file: 'f.wav', labels: [0] },
  ]);
  expect(foldsOf(task)).toEqual([{ train: ['train'], valid: ['valid'], test: ['test'] }]);
});

test('takes the id from the folder, so that variants of one task_name differ', async () => {
  const dir = await writeTinyTask({ name: 'beehive_fold1-v2-5h', metadata: { version: 'v2', mode: '5h' } });
  expect((await openTask(dir)).id).toBe('beehive_fold1');
  const renamed = join(dirname(dir), 'elsewhere');
  await rename(dir, renamed);
  expect((await openTask(renamed)).id).toBe('tiny');
});

test('sorts folds by name, tests on fold i and selects on the next', async () => {
  const task = await openTask(
    await writeTinyTask({ splits: foldSplits, metadata: { split_mode: 'new_split_kfold', nfolds: 3 } }),
  );
  expect(foldsOf(task)).toEqual([
    { train: ['fold02'], valid: ['fold01'], test: ['fold00'] },
    { train: ['fold00'], valid: ['fold02'], test: ['fold01'] },
    { train: ['fold01'], valid: ['fold00'], test: ['fold02'] },
  ]);
});

test('gives multilabel clips with several labels and none, as rows of zeros and ones', async () => {
  const splits = {
    train: { 'a.wav': ['dog', 'cat'], 'b.wav': [] },
    valid: { 'c.wav': ['dog'] },
    test: { 'd.wav': [] },
  };
  const task = await openTask(await writeTinyTask({ splits, metadata: { prediction_type: 'multilabel' } }));
  const { clips, targets } = targetsOf(task, ['train', 'valid']);
  expect(clips.map(({ file }) => file)).toEqual(['a.wav', 'b.wav', 'c.wav']);
  expect([...targets]).toEqual([1, 1, 0, 0, 0, 1]);
});

test('reads numeric labels, written as numbers or text, in the order of the vocabulary', async () => {
  const splits = { train: { 'a.wav': [100] }, valid: { 'b.wav': ['24'] }, test: { 'c.wav': ['99'] } };
  const vocabulary = 'idx,label\r\n0,24\r\n1,99\r\n2,100\r\n';
  const task = await openTask(await writeTinyTask({ splits, vocabulary, metadata: { evaluation: ['pitch_acc'] } }));
  expect(['train', 'valid', 'test'].map((split) => task.splits.get(split)![0]!.labels)).toEqual([[2], [0], [1]]);
});

test('reads quoted labels with commas, quotes and line ends', async () => {
  const vocabulary = 'idx,label\n0,"Bark, ""loud"""\n1,"two\nlines"\n';
  const splits = {
    train: { 'a.wav': ['Bark, "loud"'] },
    valid: { 'b.wav': ['two\nlines'] },
    test: { 'c.wav': ['two\nlines'] },
  };
  expect((await openTask(await writeTinyTask({ vocabulary, splits }))).vocabulary).toEqual([
    'Bark, "loud"',
    'two\nlines',
  ]);
});

test('opens event tasks: events in ms, labels of a clip each once', async () => {
  const events = [
    { label: 'dog', start: 10, end: 20.5 },
    { label: 'cat', start: 0, end: 90 },
    { label: 'dog', start: 50, end: 60 },
  ];
  const splits = { train: { 'a.wav': events }, valid: { 'b.wav': [] }, test: { 'c.wav': events } };
  const metadata = { embedding_type: 'event', prediction_type: 'multilabel', evaluation: ['event_onset_200ms_fms'] };
  const task = await openTask(await writeTinyTask({ splits, metadata }));
  const [clip] = task.splits.get('train')!;
  expect(clip!.labels).toEqual([0, 1]);
  expect(clip!.events![0]).toEqual({ label: 1, start: 10, end: 20.5 });
});

test('has a revision that follows labels, vocabulary and metadata, not the place', async () => {
  const [one, same] = await Promise.all([writeTinyTask(), writeTinyTask()].map(async (dir) => openTask(await dir)));
  expect(same!.revision).toBe(one!.revision);
  const changed = [
    { metadata: { sample_duration: 0.2 } },
    { vocabulary: 'idx,label\n0,cat\n1,dog\n2,fox\n' },
    { splits: { train: { 'a.wav': ['cat'] }, valid: { 'c.wav': ['cat'] }, test: { 'e.wav': ['dog'] } } },
  ];
  for (const options of changed) {
    expect((await openTask(await writeTinyTask(options))).revision).not.toBe(one!.revision);
  }
});

test('reads the wanted rate, else the nearest higher, else the nearest lower, and resamples', async () => {
  expect(nearestRate([22050, 16000, 48000], 16000)).toBe(16000);
  expect(nearestRate([22050, 48000], 16000)).toBe(22050);
  expect(nearestRate([8000, 11025], 16000)).toBe(11025);
  const task = await openTask(await writeTinyTask({ rates: [8000, 48000] }));
  expect(task.wavPath('train', 'a.wav', 16000)).toBe(join(task.dir, '48000', 'train', 'a.wav'));
  const clip = await loadClip(task, 'train', 'a.wav', 16000);
  expect(clip).toHaveLength(1600);
  expect(Math.max(...clip)).toBeGreaterThan(0.1);
});

test('carries the note of the metadata, or the NOTICE', async () => {
  const dir = await writeTinyTask();
  await writeFile(join(dir, 'NOTICE'), 'Recorded by ear.\n');
  expect((await openTask(dir)).note).toBe('Recorded by ear.');
  expect((await openTask(await writeTinyTask({ metadata: { note: 'Heard before.' } }))).note).toBe('Heard before.');
});

test('throws one error with all faults', async () => {
  const dir = await writeTinyTask({
    splits: { train: { 'a.wav': ['cow'] }, valid: {}, test: { 'e.wav': ['cat', 'dog'] } },
  });
  const error = await openTask(dir).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(DataError);
  const { faults, message } = error as DataError;
  expect(faults).toHaveLength(3);
  for (const fault of faults) expect(message).toContain(fault);
});

test('finds a task, a folder of tasks, and the tasks of a suite', async () => {
  const dir = await writeTinyTask();
  const parent = dirname(dir);
  expect(await findTasks(dir)).toEqual([dir]);
  expect(await findTasks(parent)).toEqual([dir]);
  await mkdir(join(parent, 'suite', 'tasks'), { recursive: true });
  await rename(dir, join(parent, 'suite', 'tasks', 'tiny-v1-full'));
  expect(await findTasks(join(parent, 'suite'))).toEqual([join(parent, 'suite', 'tasks', 'tiny-v1-full')]);
  await rm(join(parent, 'suite'), { recursive: true });
  await expect(findTasks(parent)).rejects.toThrow(/no task directory found/);
  await expect(findTasks(join(parent, 'nowhere'))).rejects.toThrow(/is not a folder/);
});

test('names the file when a clip cannot be read', async () => {
  const task = await openTask(await writeTinyTask());
  await writeFile(join(task.dir, '16000/train/a.wav'), noise('cut', 16000).subarray(0, 20));
  await expect(loadClip(task, 'train', 'a.wav', 16000)).rejects.toThrow(/a\.wav/);
});
