/** `unlabel invariance` as a user sees it, on a tiny network with two halves. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { writeSounds, writeToneTask } from '../testing/sounds.ts';
import type { InvarianceRow } from './measure.ts';

const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'invariance-'));
const env = { ...process.env, UNLABEL_DISPLAY: 'plain', UNLABEL_ENGINE: 'wasm', UNLABEL_WORKERS: '1', CI: '1' };
const unlabel = (...args: string[]): SpawnSyncReturns<string> =>
  spawnSync(process.execPath, ['--conditions=@unlabel/source', '--no-warnings', cli, ...args], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });
const read = (name: string): Promise<string> => readFile(join(folder, 'out', name), 'utf8');
const args = ['invariance', 'run', 'logmel-stats', '--tasks', 'tasks', '--clips', '20', '--seconds', '1', '-o', 'out'];

test('measures halves and wholes on the same clips, writes its report, and goes on to the same bytes', async () => {
  await writeSounds(join(folder, 'sounds'), { count: 8, seconds: 0.5 });
  await writeToneTask(join(folder, 'tasks'), 8);
  const trained = unlabel('pretrain', 'mt-slvr', '--preset', 'smoke', '--set', 'recipe.steps=2', '--data', 'sounds', '-o', 'run');
  expect(trained.status, trained.stderr).toBe(0);
  const first = unlabel(...args);
  expect(first.status, first.stderr).toBe(0);
  expect(first.stdout).toContain('run, contrastive − predictive');
  const report = await read('invariance.json');
  const { rows } = JSON.parse(report) as { rows: InvarianceRow[] };
  expect(rows.length).toBe((4 + 1) * 8); // three parts and a difference, and one whole; seven transformations and their mean
  const of = (model: string, part: string, transform: string): number =>
    rows.find((row) => row.model === model && row.part === part && row.transform === transform)!.relative.mean;
  expect(rows.every(({ clips }) => clips === 20)).toBe(true);
  // statistics over time do not see a roll in time, and hear noise
  expect(of('logmel-stats', 'whole', 'time_shift')).toBeLessThan(of('logmel-stats', 'whole', 'mixed_noise'));
  expect(await read('invariance.svg')).toContain('pitch_shift');
  expect((await read('invariance.csv')).split('\n').length).toBe(rows.length + 2);

  // one of the two files of a model is gone: it is made again, alone, and nothing changes
  const chunks = (await readdir(join(folder, 'out/cache/embeddings'), { recursive: true })).filter((name) => name.endsWith('.npy'));
  expect(chunks.length).toBe(2 * 2);
  await rm(join(folder, 'out/cache/embeddings', chunks[0]!));
  const second = unlabel(...args);
  expect(second.status, second.stderr).toBe(0);
  expect(await read('invariance.json')).toBe(report);
}, 60_000); // prettier-ignore

test('refuses models without embeddings of sounds, and shows how it is used', () => {
  const refused = unlabel('invariance', 'chance', '--tasks', 'tasks', '-o', 'no');
  expect(refused.status).not.toBe(0);
  expect(refused.stderr).toContain('chance: embeds no sounds');
  expect(unlabel('invariance', '--help').stdout).toContain('unlabel invariance out/mine logmel-stats');
});
