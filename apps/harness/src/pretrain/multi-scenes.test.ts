/** Tasks on binaural scenes in one network: every strategy from the command line's own entry, and going on after a stop. */
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { windowOf } from '@unlabel/binaural';
import { expectAllClose, leakCheck, testEngine, tf } from '@unlabel/engine';
import { loadModelDir } from '@unlabel/zoo';
import { silentDisplay } from '../display/display.ts';
import { openModel, parseModel } from '../models/resolve.ts';
import { readLog } from '../run-dir.ts';
import { listeningOf } from '../scenes/evaluate.ts';
import { writeScenes } from '../testing/scenes.ts';
import { pretrain } from './run.ts';

const folder = await mkdtemp(join(tmpdir(), 'multi-scenes-'));
const data = join(folder, 'scenes');
beforeAll(async () => {
  await testEngine();
  await writeScenes(data, { count: 4, seconds: 2 });
});
afterAll(async () => {
  tf.disposeVariables();
  await rm(folder, { recursive: true });
});

const stages = ['spatial-alignment', 'temporal-gap'];
const run = (out: string, overrides: Record<string, unknown>): Promise<unknown> =>
  pretrain({
    method: `multi:${stages.join(',')}`,
    preset: 'smoke',
    overrides: { recipe: { steps: 1, batchSize: 4 }, ...overrides },
    data: [data],
    seed: 3,
    out: join(folder, out),
    engine: { engine: (process.env['UNLABEL_ENGINE'] ?? 'auto') as 'auto', deterministic: true },
    workers: 0, // as `unlabel strategies`
    checkpointSeconds: 0,
    display: silentDisplay,
  });
const weights = (...parts: string[]): Promise<Buffer> => readFile(join(folder, ...parts, 'model.safetensors'));

test('il hands the ears’ network on, watches what is forgotten, and goes on after a stop to the same bytes', async () => {
  const { tensors } = await leakCheck(() => run('il', { strategy: 'il', distance: 'euclidean' }));
  expect(tensors).toBe(0);
  const [first, second] = [await weights('il/stages/spatial-alignment/model'), await weights('il/stages/temporal-gap/model-init')]; // prettier-ignore
  expect(second.equals(first)).toBe(true);
  const [, last] = await readLog(join(folder, 'il/stages/temporal-gap/forgetting.jsonl'));
  expect(Object.keys(last!)).toEqual(['step', 'spatial-alignment']);
  const log = (await readLog(join(folder, 'il/stages/temporal-gap/log.jsonl'))).at(-1)!;
  expect(log['own']! + log['distillation']!).toBeCloseTo(log['loss']!, 4);

  await cp(join(folder, 'il'), join(folder, 'stopped'), { recursive: true });
  for (const path of ['model', 'summary.json', 'stages/temporal-gap']) await rm(join(folder, 'stopped', path), { recursive: true }); // prettier-ignore
  await run('stopped', { strategy: 'il', distance: 'euclidean' });
  expect((await weights('stopped/model')).equals(await weights('il/model'))).toBe(true);
});

test('a mono clip is embedded as a scene that both ears hear alike', async () => {
  const clip = Float32Array.from({ length: 2400 }, (_, n) => 0.03 * Math.sin(n / 3) * Math.sin(n / 500));
  const model = await openModel(parseModel(join(folder, 'il'), 0));
  const embedding = await model.embedScenes([clip]);
  model.dispose?.();
  expect(embedding).toHaveLength(2 * 16);
  expect(embedding.slice(0, 16)).toEqual(embedding.slice(16)); // left, right
  const { backbone, config } = await loadModelDir(join(folder, 'il/model'));
  const listening = listeningOf(config.methodConfig, 'il');
  const both = { data: Float32Array.of(...clip, ...clip), shape: [2, clip.length] };
  const { data: values, shape } = windowOf(both, 0, { ...listening, seconds: clip.length / listening.sampleRate });
  const expected = tf.tidy(() => backbone.forward(tf.tensor(values, [1, ...shape]), { training: false }).clip.dataSync()); // prettier-ignore
  tf.dispose([...backbone.params.values()]);
  expectAllClose(embedding, expected as Float32Array, { atol: 1e-5 });
});

test.each(['joint', 'progressive', 'concat'])('%s', async (strategy) => {
  const { tensors } = await leakCheck(() => run(strategy, { strategy }));
  expect(tensors).toBe(0);
  const { backbone } = JSON.parse(await readFile(join(folder, strategy, 'model/config.json'), 'utf8')) as { backbone: { id: string } }; // prettier-ignore
  expect(backbone.id).toBe({ joint: 'binaural-net', progressive: 'progressive', concat: 'concat' }[strategy]);
});
