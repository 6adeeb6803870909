import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testEngine } from '@unlabel/engine';
import { silentDisplay } from '../display/display.ts';
import { pretrain } from '../pretrain/run.ts';
import { writeSounds } from '../testing/sounds.ts';
import { exportRun } from './export.ts';

const folder = await mkdtemp(join(tmpdir(), 'export-stages-'));
beforeAll(async () => {
  await testEngine();
  await writeSounds(join(folder, 'sounds'), { count: 4, seconds: 0.7 });
});
afterAll(() => rm(folder, { recursive: true }));

test('a run in stages becomes a checkpoint whose card has the command that makes it again', async () => {
  const out = join(folder, 'run');
  await pretrain({
    method: 'beats',
    preset: 'smoke',
    overrides: { iterations: 1, recipe: { steps: 1, batchSize: 4 }, stages: { iter1: { maskRatio: 0.5 } } },
    data: [join(folder, 'sounds')],
    seed: 3,
    out,
    engine: {},
    workers: 1,
    checkpointSeconds: 1e9,
    display: silentDisplay,
  });
  const options = {
    out: join(folder, 'ck'),
    id: 'tiny.beats_test',
    dtype: 'float32',
    licence: 'CC0',
    data: [],
  } as const;
  const card = await exportRun(out, options);
  expect(card.method).toBe('beats');
  expect(card.backbone).toBe('beats');
  expect(card.training!.steps).toBe(1);
  const { command } = card.training!;
  expect(command).toContain('npx unlabel pretrain beats --preset smoke --set iterations=1');
  for (const part of ['maskRatio=0.5', 'recipe.steps=1', 'recipe.batchSize=4'])
    expect(command).toContain(`--set stages.iter1.${part}`);
  expect(command).toContain('--seed 3');
  expect(command).not.toContain('--precision');

  // as it would be after `--precision bf16`, on a processor that has it
  const environment = join(out, 'env.json');
  const held = JSON.parse(await readFile(environment, 'utf8')) as Record<string, unknown>;
  await writeFile(environment, JSON.stringify({ ...held, precision: 'bf16' }));
  const again = await exportRun(out, { ...options, out: join(folder, 'ck-bf16') });
  expect(again.training!.command).toBe(command.replace('--seed', '--precision bf16 --seed'));
});
