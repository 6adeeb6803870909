import { globSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { goldenTensor, type GoldenFile, type GoldenTarget } from '@unlabel/core';
import { testEngine } from '@unlabel/engine';
import { encodeSafetensors } from '@unlabel/formats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pickTarget } from './golden-targets.ts';
import { describeOutcome, goldensWithoutTarget, runGoldens, toolsFor, type GoldenOutcome } from './goldens.ts';

const workspace = fileURLToPath(new URL('../../..', import.meta.url));

beforeAll(async () => {
  await testEngine();
});

describe('the fixtures copied into the project', () => {
  const folders = globSync('packages/{*,methods/*}/fixtures', { cwd: workspace }).toSorted();
  // Goldens are computed in the tests of their own package; here only those of packages without such tests, and one that has, for the command.
  const isTested = (folder: string): boolean =>
    globSync(join(folder, '../src/**/goldens*.test.ts'), { cwd: workspace }).length > 0;

  test.each(folders)('%s: every golden has a target', async (folder) => {
    expect(await goldensWithoutTarget(join(workspace, folder))).toEqual([]);
  });

  const others = folders.filter((folder) => !isTested(folder) || folder === 'packages/augment/fixtures');
  test.each(others)('%s: every golden is met', { timeout: 240_000 }, async (folder) => {
    const { outcomes } = await runGoldens(join(workspace, folder));
    expect(outcomes.filter(({ status }) => status !== 'ok').map(describeOutcome)).toEqual([]);
  });

  test('are there', () => {
    expect(folders).toContain('packages/audio/fixtures');
    expect(others).toContain('packages/probes/fixtures');
  });
});

describe('a run', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'unlabel-goldens-'));
    const outputs = [{ name: 'y', shape: [4], stride: 1 }];
    const golden = { source: 'here', seed: 7, outputs, tolerance: { atol: 1e-3 } };
    const y = encodeSafetensors({ y: goldenTensor('input:y', 7, [4]) });
    for (const name of ['double-1', 'half', 'broken', 'unknown']) {
      await writeFile(join(dir, `${name}.json`), JSON.stringify({ name, ...golden }));
      await writeFile(join(dir, `${name}.safetensors`), y);
    }
    await writeFile(join(dir, 'cut.json'), '{ "name": "cut", ');
    await writeFile(join(dir, 'cut.safetensors'), y);
    await writeFile(join(dir, 'package.json'), '{ "name": "not a golden" }');
    await writeFile(join(dir, 'list.json'), '[1, 2]');
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  const target = (factor: number): GoldenTarget => ({
    run: (_golden, tools) => ({ y: tools.tensor('input:y', [4], factor) }),
  });
  const throwing: GoldenTarget = {
    run: () => {
      throw new Error('no such layer');
    },
  };
  const targets = new Map([
    ['double', target(1)],
    ['half', target(0.5)],
    ['broken', throwing],
  ]);

  test('says ok, FAIL or no target for each golden, and goes on after one that throws', async () => {
    const seen: GoldenOutcome[] = [];
    await runGoldens(dir, { targets, onOutcome: (outcome) => seen.push(outcome) });
    expect(seen.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'broken FAIL',
      'cut FAIL',
      'double-1 ok',
      'half FAIL',
      'unknown no target',
    ]);
    expect(describeOutcome(seen[0]!)).toContain('no such layer');
    expect(describeOutcome(seen[1]!)).toContain('not json');
  });

  test('takes only the names asked for', async () => {
    const { outcomes } = await runGoldens(dir, { targets, only: 'd*le-1' });
    expect(outcomes.map(({ name }) => name)).toEqual(['double-1']);
  });

  test('names a directory that is not there', async () => {
    await expect(runGoldens(join(dir, 'nowhere'), { targets })).rejects.toThrow(/nowhere: expected a directory/);
  });
});

test('a target is found by its name, the longest prefix, or without a trailing number', () => {
  const targets = new Map([
    ['fe-*', 1],
    ['fe-mel*', 2],
    ['fe-mel-exact', 3],
    ['barlow', 4],
  ]);
  expect(pickTarget(targets, 'fe-mel-exact')).toBe(3);
  expect(pickTarget(targets, 'fe-mel-9')).toBe(2);
  expect(pickTarget(targets, 'fe-stft')).toBe(1);
  expect(pickTarget(targets, 'barlow-12')).toBe(4);
  expect(pickTarget(targets, 'barlow-x')).toBeUndefined();
});

test('a tied parameter takes the values of the first name of its storage', () => {
  const params = [
    ['a.weight', [2, 2]],
    ['b.weight', [2, 2], 'a.weight'],
  ];
  const golden: GoldenFile = { name: 'x', seed: 1, params_small: params };
  const tools = toolsFor(golden, '', () => undefined);
  expect(tools.parameter('b.weight', [2, 2])).toEqual(tools.parameter('a.weight', [2, 2]));
  expect(tools.parameter('c.weight', [2, 2])).not.toEqual(tools.parameter('a.weight', [2, 2]));
});
