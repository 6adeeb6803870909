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

test('the cards’ numbers come out again', { timeout: 7_200_000 }, async () => {
  const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
  const run = (...args: string[]): void => {
    const flags = ['--conditions=@unlabel/source', '--no-warnings', cli];
    const { status, stderr } = spawnSync(process.execPath, [...flags, ...args, '--display', 'none'], {
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
  };
  const cards = await Promise.all(shippedIds().map((id) => readCard(resolveCheckpoint(id))));
  const suites = { quickstart: 'quickstart', images: 'images' } as const;
  for (const suite of Object.values(suites)) {
    const own = cards.filter(({ sampleRate }) => (sampleRate === null) === (suite === 'images'));
    const data = join(dir, suite);
    run('data', 'build', suite, '-o', data);
    for (const protocol of new Set(own.flatMap(({ results }) => results.map((row) => row.protocol)))) {
      const rows = own.flatMap(({ results }) => results.filter((row) => row.protocol === protocol));
      const only = ['--only', `{${[...new Set(rows.map(({ task }) => task)), ''].join(',')}}`];
      const ids = own.map(({ id }) => id);
      run(
        'eval',
        ...ids,
        '--tasks',
        data,
        ...only,
        '--protocol',
        protocol,
        '-o',
        join(dir, 'eval'),
        '--engine',
        'wasm',
      );
    }
  }
  const { results } = await collect([join(dir, 'eval')]);
  for (const card of cards) {
    const { id } = card;
    expect(card.results.length).toBeGreaterThan(0);
    for (const { task, protocol, revision, metric, value, low, high } of card.results) {
      const found = results.find(
        ({ result }) => result.model.id === id && result.task.id === task && result.protocol.id === protocol,
      )!.result;
      const where = `${id} on ${task} by ${protocol}`;
      expect(found.task.revision, where).toBe(revision);
      expect(found.metrics[metric], where).toMatchObject({ value, low, high });
    }
  }
});
