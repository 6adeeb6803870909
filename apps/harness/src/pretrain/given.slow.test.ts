/** `pretrain --from MODEL` beside whole runs: the same bytes follow. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testEngine, tf } from '@unlabel/engine';
import { silentDisplay } from '../display/display.ts';
import { writeSounds } from '../testing/sounds.ts';
import { pretrain } from './run.ts';

const folder = await mkdtemp(join(tmpdir(), 'given-'));
const at = (...parts: string[]): string => join(folder, ...parts);
const engine = (process.env['UNLABEL_ENGINE'] ?? 'auto') as 'auto';
beforeAll(async () => {
  await testEngine();
  await writeSounds(at('sounds'), { count: 4, seconds: 0.7 });
});
afterAll(async () => {
  tf.disposeVariables();
  await rm(folder, { recursive: true });
});

const run = (method: string, out: string, overrides: Record<string, unknown>, from?: string): Promise<unknown> =>
  pretrain({
    method,
    preset: 'smoke',
    overrides: { recipe: { steps: 2, batchSize: 2 }, ...overrides },
    ...(from !== undefined && { from: at(from) }),
    data: [at('sounds')],
    seed: 3,
    out: at(out),
    engine: { engine, deterministic: true },
    workers: 1,
    checkpointSeconds: 60,
    display: silentDisplay,
  });
const weights = (...parts: string[]): Promise<Buffer> => readFile(at(...parts, 'model.safetensors'));
const isSame = async (a: string, b: string): Promise<boolean> => (await weights(a)).equals(await weights(b));

test('a network in the place of iteration 1 of beats: what follows has the bytes of the run that trained it', async () => {
  await run('beats', 'whole', {});
  await run('beats', 'given', {}, 'whole/stages/iter1');
  expect(await isSame('given/stages/tokenizer2/model', 'whole/stages/tokenizer2/model')).toBe(true);
  expect(await isSame('given/model', 'whole/model')).toBe(true);
});

test.each(['il', 'joint', 'progressive'])('%s begins with the given network', async (strategy) => {
  await run('delores-s', 'start', {});
  await run('multi:delores-s,delores-m', strategy, { strategy }, 'start');
  const first = strategy === 'joint' ? 'joint' : 'delores-s';
  expect(await isSame(`${strategy}/stages/${first}/model-init`, 'start/model')).toBe(true);
  expect(await isSame(`${strategy}/stages/${first}/model`, 'start/model')).toBe(false);
});
