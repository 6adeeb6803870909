/** MoCo v2 and DenseCL in one network, also from a network of the authors' layout. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { leakCheck, testEngine, tf } from '@unlabel/engine';
import { readModelConfig } from '@unlabel/zoo/files';
import { silentDisplay } from '../display/display.ts';
import { readLog } from '../run-dir.ts';
import { writePictures } from '../testing/pictures.ts';
import { importFile } from '../zoo/import.ts';
import { pretrain } from './run.ts';

const folder = await mkdtemp(join(tmpdir(), 'multi-images-'));
const at = (...parts: string[]): string => join(folder, ...parts);
beforeAll(async () => {
  await testEngine();
  await writePictures(at('pictures'), { count: 8, width: 20, height: 20 });
});
afterAll(async () => {
  tf.disposeVariables();
  await rm(folder, { recursive: true });
});

const run = (stages: string, out: string, overrides: Record<string, unknown>, from?: string): Promise<unknown> =>
  pretrain({
    method: `multi:${stages}`,
    preset: 'smoke',
    overrides: { recipe: { steps: 2, batchSize: 4 }, ...overrides },
    ...(from !== undefined && { from }),
    data: [at('pictures')],
    seed: 3,
    out: at(out),
    engine: { engine: (process.env['UNLABEL_ENGINE'] ?? 'auto') as 'auto', deterministic: true },
    workers: 0,
    checkpointSeconds: 60,
    display: silentDisplay,
  });
const weights = (...parts: string[]): Promise<Buffer> => readFile(at(...parts, 'model.safetensors'));

test.each(['moco,densecl', 'densecl,moco'])('il of %s, held near the first’s features', async (order) => {
  const [first, second] = order.split(',') as [string, string];
  const parts = { moco: { config: { imageSize: 20 } } }; // stages may see images of their own size
  await run(order, order, { strategy: 'il', distance: 'contrastive', parts });
  expect(await weights(order, 'stages', second, 'model-init')).toEqual(await weights(order, 'stages', first, 'model'));
  const log = (await readLog(at(order, 'stages', second, 'log.jsonl'))).at(-1)!;
  expect(log['own']! + log['distillation']!).toBeCloseTo(log['loss']!, 3);
});

test('joint has both losses, of images of one size', async () => {
  const { tensors } = await leakCheck(() => run('moco,densecl', 'joint', { strategy: 'joint' }));
  expect(tensors).toBe(0);
  const parts = { moco: { config: { imageSize: 20 } } };
  await expect(run('moco,densecl', 'joint', { strategy: 'joint', parts })).rejects.toThrow(/different inputs \(image/);
  const log = (await readLog(at('joint/stages/joint/log.jsonl'))).at(-1)!;
  expect(log['moco']! + log['densecl']!).toBeCloseTo(log['loss']!, 3);
});

test('a network of MoCo’s own layout takes the place of the first stage’s training, and DenseCL goes on with it', async () => {
  const fixtures = join(dirname(fileURLToPath(import.meta.resolve('@unlabel/zoo/package.json'))), 'fixtures/import');
  await importFile(join(fixtures, 'moco-v2-tiny.pth.tar'), {
    out: at('official'),
    strict: true,
    dtype: 'float32',
    licence: 'MIT',
  });
  const { backbone } = await readModelConfig(at('official'));
  const part = { config: { backbone: backbone.config } };
  await run(
    'moco,densecl',
    'continued',
    { strategy: 'il', parts: { moco: part, densecl: part }, stages: { moco: { recipe: { steps: 0 } } } },
    at('official'),
  );
  expect(await weights('continued/stages/densecl/model-init')).toEqual(await weights('official'));
  expect(await weights('continued/model')).not.toEqual(await weights('official'));
});
