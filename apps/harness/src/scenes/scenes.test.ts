/** Networks of scenes on their downstream tasks, and the table of strategies, at a size that ends in seconds. */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { istft } from '@unlabel/audio';
import { sharedConfig, spatialAlignment } from '@unlabel/binaural';
import { createRng, type NdArray } from '@unlabel/core';
import { testEngine, tf } from '@unlabel/engine';
import { saveModelDir } from '@unlabel/zoo';
import { z } from 'zod';
import { loadChannels } from '../pretrain/scene-source.ts';
import { writeScenes } from '../testing/scenes.ts';
import { listeningOf } from './evaluate.ts';
import { createScorer, type SceneRequest } from './score.ts';
import { estimateOf, writeStrategies } from './strategies-report.ts';
import { rowsOf } from './strategies-rows.ts';
import type { StrategyResult } from './strategies.ts';
import { complexOptions, readWindows } from './windows.ts';

const folder = await mkdtemp(join(tmpdir(), 'scenes-eval-'));
const data = join(folder, 'scenes');
const model = join(folder, 'model');
const config = spatialAlignment.config.parse(spatialAlignment.presets['smoke']!.config);
beforeAll(async () => {
  await testEngine();
  await writeScenes(data, { count: 8, seconds: 1 }, ['train', 'test']);
  const { backbone } = spatialAlignment.build(config, { rng: createRng(1) });
  await saveModelDir(model, backbone, {
    schema: 1,
    method: 'spatial-alignment',
    methodConfig: config,
    backbone: { id: backbone.id, config: { ...backbone.config } },
    input: { ...spatialAlignment.input(config) },
    normalization: null,
    training: { seed: 1, steps: 0, items: 8, sawUnlabelled: [] },
  });
});
afterAll(async () => {
  tf.disposeVariables();
  await rm(folder, { recursive: true });
});

test('windows: what is heard less by the turned ears, and where the disc is', async () => {
  const listening = z.strictObject(sharedConfig).parse(config);
  const { count, heard, difference, pixels, scenes, kinds } = await readWindows(data, 'test', listening);
  expect([count, heard.shape, pixels.shape]).toEqual([24, [24, 4, 38, 65], [24, 4, 8]]);
  expect([scenes.slice(0, 4), kinds.slice(0, 4)]).toEqual([[0, 0, 0, 1], [0, 0, 0, 1]]); // prettier-ignore
  const signal = ({ data: all }: NdArray): Float32Array => {
    const spectrum = new Float32Array(65 * 38 * 2); // the left ear of the first window
    for (let f = 0; f < 65; f++) for (let t = 0; t < 38; t++) for (let part = 0; part < 2; part++) spectrum[2 * (f * 38 + t) + part] = all[(part * 38 + t) * 65 + f]!; // prettier-ignore
    return istft({ data: spectrum, shape: [65, 38, 2] }, complexOptions(listening));
  };
  const format = { sampleRate: 8000, channels: 2 };
  const [ears, turned] = await Promise.all(['', 'turned/'].map((at) => loadChannels(join(data, `${at}test/0.wav`), format))); // prettier-ignore
  const [left, less] = [signal(heard), signal(difference)];
  const scale = left[1000]! / ears!.data[1000]!;
  for (const n of [300, 1000, 1700]) expect(less[n]!).toBeCloseTo(scale * (ears!.data[n]! - turned!.data[n]!), 4);
  const classes = new Set(pixels.data);
  expect(classes).toEqual(new Set([0, 1, 2]));
});

test('a result is made once, differs when the network learns too, and needs classes', async () => {
  const score = createScorer();
  const request: SceneRequest = { dir: model, model: 'm', data, split: 'test', steps: 2, isFineTuned: false, seed: 1, out: join(folder, 'out') }; // prettier-ignore
  const first = await score(request);
  const { retrieval, superResolution, semantic } = first.scores;
  expect(retrieval.scene.recall).toHaveLength(3);
  expect([retrieval.scene.queries, semantic.perClass.length]).toEqual([24, 2]);
  expect(superResolution.error).toBeGreaterThan(0);
  expect(superResolution.envelopeOfSilence).toBeGreaterThan(0);
  expect(await createScorer()(request)).toEqual(first);
  expect(await readdir(join(folder, 'out'))).toHaveLength(1);
  const tuned = await score({ ...request, isFineTuned: true });
  expect(tuned.scores.retrieval.scene.mAP).not.toBe(retrieval.scene.mAP);
  await expect(score({ ...request, seed: 2, data: join(data, 'train') })).rejects.toThrow();
  expect(() => listeningOf({ width: 3 }, 'other')).toThrow(/does not listen to scenes/);
});

test('rows: every order and distance, β where asked for, only what is wanted', () => {
  const rows = rowsOf(['a', 'b', 'c']);
  expect(rows).toHaveLength(2 + 3 + 1 + 2 + 6 * 3 + 6);
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
  expect(rows.find(({ id }) => id === 'il-euclidean-201')!).toMatchObject({ stages: ['c', 'a', 'b'], group: 'il euclidean', overrides: { strategy: 'il', distance: 'euclidean' } }); // prettier-ignore
  const more = rowsOf(['a', 'b'], { betas: [0.1], isSupervised: false });
  expect(more).toHaveLength(1 + 2 + 1 + 2 + 2 * 3 + 1 + 2);
  expect(more.find(({ id }) => id === 'il-contrastive-beta0.1-01')!).toMatchObject({ stages: ['a', 'b'], overrides: { beta: 0.1 } }); // prettier-ignore
});

test('the table: means with Student’s interval, over orders, differences paired by seed, a picture', async () => {
  const { mean, ci95 } = estimateOf([1, 2, 4]);
  expect(mean).toBeCloseTo(7 / 3, 12);
  expect(ci95).toBeCloseTo((4.303 * Math.sqrt(7 / 3)) / Math.sqrt(3), 10);
  const rows = rowsOf(['a', 'b']).filter(({ id }) => /^(concat|il-contrastive-..)$/.test(id));
  const results: StrategyResult[] = rows.flatMap((row, i) => [1, 2].map((seed) => ({ row, seed, dir: '', scores: { mAP: i + seed / 10 }, ...(i > 0 && { forgetting: seed }) }))); // prettier-ignore
  const markdown = (await writeStrategies(join(folder, 'table'), results)).split('\n');
  expect(markdown).toContain('| il contrastive: b → a | 2.150 ± 0.635 | 1.500 ± 6.353 |');
  expect(markdown).toContain('| il contrastive | 1.650 ± 0.635 | 1.500 ± 6.353 |'); // of 1.6 and 1.7, the means over orders
  expect(markdown.at(-2)).toBe('| concat | +1.500 ± 0.000 |  |');
  expect(await readFile(join(folder, 'table/table.csv'), 'utf8')).toContain('"il contrastive: a → b",il,2,');
  expect(await readFile(join(folder, 'table/table.svg'), 'utf8')).toContain('il contrastive: a → b');
});
