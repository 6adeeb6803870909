import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { createRng, type InputSpec } from '@unlabel/core';
import { writeSounds } from '../testing/sounds.ts';
import { labelsOf, listItems } from './items.ts';
import { createSource } from './source.ts';

const folder = await mkdtemp(join(tmpdir(), 'labels-'));
beforeAll(async () => {
  for (const name of ['bell', 'drum']) await writeSounds(join(folder, name), { count: 1, seconds: 0.2 });
});

const input = (labels: readonly string[]): InputSpec => ({
  modality: 'audio',
  sampleRate: 16000,
  seconds: 0.1,
  labels,
});
const samplesOf = async (source: string, labels: readonly string[]): Promise<number[][]> => {
  const items = await listItems([source]);
  const open = createSource({ items, input: input(labels), normalization: undefined });
  const samples = await Promise.all(items.map((_, i) => open.sample(i, createRng(1))));
  open.close();
  return samples.map((sample) => [...(sample['labels']!.data as Float32Array)]);
};

test('an item has the class of its folder', async () => {
  expect(await samplesOf(folder, ['drum', 'bell', 'horn'])).toEqual([
    [0, 1, 0],
    [1, 0, 0],
  ]);
});

test('an index names any number of classes for each', async () => {
  const [first, second] = await listItems([folder]);
  const index = join(folder, 'index.jsonl');
  const line = (path: string, labels: readonly string[]): string => JSON.stringify({ file: path, labels });
  await writeFile(index, `${line(first!.path, ['loud', 'low'])}\n${line(second!.path, [])}\n`);
  expect(await samplesOf(index, ['low', 'high', 'loud'])).toEqual([
    [1, 0, 1],
    [0, 0, 0],
  ]);
  expect(labelsOf((await listItems([index]))[0]!)).toEqual(['loud', 'low']);
});

test('a class that is not in the vocabulary is named, with its file', async () => {
  await expect(samplesOf(folder, ['bel', 'drum'])).rejects.toThrow(/bell.*label "bell".*bel/s);
});

test('a method without a vocabulary gets none', async () => {
  const items = await listItems([join(folder, 'bell')]);
  const { labels: _, ...plain } = input([]);
  const sample = await createSource({ items, input: plain, normalization: undefined }).sample(0, createRng(1));
  expect(Object.keys(sample)).toEqual(['audio']);
});
