/** Scenes as items: folders, indices, what is read of them and what is refused. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { encodeNpy, encodeWav } from '@unlabel/formats';
import { writeScenes } from '../testing/scenes.ts';
import { listItems } from './items.ts';
import { createSource } from './source.ts';

const dir = await mkdtemp(join(tmpdir(), 'scenes-'));
beforeAll(() => writeScenes(dir, { count: 2, seconds: 1 }, ['train', 'test']));
afterAll(() => rm(dir, { recursive: true }));

test('a built folder stands for its training scenes, another for the audio with pictures beside it', async () => {
  const built = await listItems([dir], 'audio-visual');
  expect(built.map(({ name, labels }) => [name, labels])).toEqual([['train/0.wav', ['noise']], ['train/1.wav', ['tone']]]); // prettier-ignore
  const below = await listItems([join(dir, 'test')], 'audio-visual');
  expect(below.map(({ path, frames }) => [path, frames])).toEqual([0, 1].map((i) => [join(dir, `test/${i}.wav`), join(dir, `test/${i}.npy`)])); // prettier-ignore
  await expect(listItems([join(dir, 'turned')], 'audio-visual')).rejects.toThrow(/data build binaural/);
  await expect(listItems([join(dir, 'turned/test/0.wav')], 'audio-visual')).rejects.toThrow(/its pictures are missing; expected .*turned\/test\/0\.npy/); // prettier-ignore
});

test('a sample has both ears at the wanted rate and pictures of 0…1; other files are refused by name', async () => {
  const items = await listItems([dir], 'audio-visual');
  const input = { modality: 'audio-visual', sampleRate: 4000, channels: 2 } as const;
  const source = createSource({ items, input, normalization: undefined });
  const { audio, frames } = await source.sample(0, createRng(1));
  expect([audio!.shape, frames!.shape]).toEqual([[2, 4000], [5, 8, 16, 3]]); // prettier-ignore
  expect(Math.max(...frames!.data)).toBeLessThanOrEqual(1);
  expect(Math.max(...frames!.data)).toBeGreaterThan(0.9);
  expect(audio!.data.subarray(0, 4000)).not.toEqual(audio!.data.subarray(4000));
  expect((await source.sample(0, createRng(2)))['audio']).toBe(audio); // kept
  source.close();

  const [path, pictures] = [join(dir, 'mono.wav'), join(dir, 'mono.npy')];
  await writeFile(path, encodeWav({ sampleRate: 4000, channels: [new Float32Array(4000)] }));
  await writeFile(pictures, encodeNpy({ data: new Float32Array(12), shape: [1, 2, 2, 3] }));
  const other = createSource({ items: [{ path, name: 'mono', frames: pictures }], input, normalization: undefined });
  await expect(other.sample(0, createRng(1))).rejects.toThrow(/mono\.(wav: expected 2 channels, found 1|npy: expected pictures as bytes)/); // prettier-ignore
});
