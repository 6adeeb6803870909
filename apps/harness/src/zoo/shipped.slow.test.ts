/** `unlabel eval` on the checkpoints that ship gives the numbers of their cards, on the engine that made those. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { collect } from '@unlabel/leaderboard';
import { readCard, resolveCheckpoint, shippedIds } from '@unlabel/zoo/files';
import { afterAll, beforeAll, expect, test } from 'vitest';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'unlabel-shipped-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test('the cards’ numbers come out again', { timeout: 600_000 }, async () => {
  const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
  const run = (...args: string[]): void => {
    const flags = ['--conditions=@unlabel/source', '--no-warnings', cli];
    const { status, stderr } = spawnSync(process.execPath, [...flags, ...args, '--display', 'none'], {
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
  };
  run('data', 'build', 'quickstart', '-o', join(dir, 'data'));
  run('eval', ...shippedIds(), '--tasks', join(dir, 'data'), '-o', join(dir, 'eval'), '--engine', 'wasm');
  const { results } = await collect([join(dir, 'eval')]);
  for (const id of shippedIds()) {
    const card = await readCard(resolveCheckpoint(id));
    expect(card.results.length).toBeGreaterThan(0);
    for (const { task, revision, metric, value, low, high } of card.results) {
      const found = results.find(({ result }) => result.model.id === id && result.task.id === task)!.result;
      expect(found.task.revision, `${id} on ${task}`).toBe(revision);
      expect(found.metrics[metric], `${id} on ${task}`).toMatchObject({ value, low, high });
    }
  }
});
