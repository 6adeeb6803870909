/** `unlabel few-shot` as a user sees it: real processes on a small labelled task. */
import { spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRng } from '@unlabel/core';
import { encodeWav, writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import { expect, test } from 'vitest';
import type { FewShotRow } from './report.ts';
import { fewShotResultSchema, type FewShotResult } from './result.ts';

const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
const flags = ['--conditions=@unlabel/source', '--no-warnings', cli];
const folder = await mkdtemp(join(tmpdir(), 'few-shot-'));
const env = { ...process.env, UNLABEL_DISPLAY: 'plain', UNLABEL_ENGINE: 'wasm', UNLABEL_WORKERS: '2', CI: '1' };
const unlabel = (...args: string[]): SpawnSyncReturns<string> =>
  spawnSync(process.execPath, [...flags, 'few-shot', ...args], { cwd: folder, env, encoding: 'utf8' });

/** Ten pitches, six clips of each, 0.3 to 0.9 s; the last class has two clips, one of them twice. */
async function writePitches(name: string): Promise<void> {
  const dir = join(folder, name, 'pitches-v1-full');
  const names = Array.from({ length: 10 }, (_, c) => `pitch-${c}`);
  for (const [s, split] of ['train', 'valid', 'test'].entries()) {
    const labels: Record<string, string[]> = {};
    for (let i = 0; i < 20; i++) {
      const c = i % 10;
      if (c === 9 && s > 0 && i > 9) continue;
      const rng = createRng(c === 9 ? 7 : 100 * s + i);
      const f0 = 200 * 2 ** (c / 6) * (1 + 0.05 * rng.normal());
      const samples = Float32Array.from(
        { length: Math.round(16000 * rng.range(0.3, 0.9)) },
        (_, n) => 0.3 * Math.sin((2 * Math.PI * f0 * n) / 16000) + 0.1 * rng.normal(),
      );
      await writeFileAtomic(
        join(dir, '16000', split, `${split}-${i}.wav`),
        encodeWav({ sampleRate: 16000, channels: [samples] }, 'pcm16'),
      );
      labels[`${split}-${i}.wav`] = [names[c]!];
    }
    await writeJsonAtomic(join(dir, `${split}.json`), labels);
  }
  await writeFile(
    join(dir, 'labelvocabulary.csv'),
    `idx,label\n${names.map((label, i) => `${i},${label}\n`).join('')}`,
  );
  await writeJsonAtomic(join(dir, 'task_metadata.json'), {
    task_name: 'pitches', version: 'v1', mode: 'full', embedding_type: 'scene', prediction_type: 'multiclass',
    split_mode: 'trainvaltest', splits: ['train', 'valid', 'test'], sample_duration: null, evaluation: ['top1_acc'],
  }); // prettier-ignore
}
await writePitches('tasks');

async function results(out: string): Promise<Map<string, FewShotResult>> {
  const dir = join(folder, out, 'results');
  const names = existsSync(dir) ? await readdir(dir, { recursive: true }) : [];
  const found = new Map<string, FewShotResult>();
  for (const name of names.filter((one) => one.endsWith('.json')))
    found.set(name, fewShotResultSchema.parse(JSON.parse(await readFile(join(dir, name), 'utf8'))));
  return found;
}
const rowsIn = async (out: string): Promise<FewShotRow[]> =>
  (JSON.parse(await readFile(join(folder, out, 'few-shot.json'), 'utf8')) as { rows: FewShotRow[] }).rows;
const small = ['--tasks', 'tasks', '--queries', '3', '--episodes', '60'];

test('models meet the same episodes; scores, paired differences and pictures are written', async () => {
  const run = unlabel('logmel-stats', 'mfcc-stats', ...small, '-o', 'out', '--shots', '1,2');
  expect(run.stderr).toMatch(/1 classes have fewer than 1 \+ 3 clips and are left out: pitch-9/);
  expect(run.stderr).toMatch(/copies of another of their class/);
  expect(run.status).toBe(0);
  const rows = await rowsIn('out');
  expect(rows.length).toBe(2 * 2 * 3);
  const [a, b] = ['logmel-stats', 'mfcc-stats'].map((model) =>
    rows.find((row) => row.model === model && row.shots === 1 && row.classifier === 'logistic')!,
  ) as [FewShotRow, FewShotRow];
  expect(a.accuracy.mean).toBeGreaterThan(0.4); // chance is 0.2
  expect(b.difference!.mean).toBeCloseTo(b.accuracy.mean - a.accuracy.mean, 10);
  expect(b.difference!.ci95).toBeLessThan(a.accuracy.ci95 + b.accuracy.ci95);
  expect(a.difference).toBeUndefined();
  expect(a.accuracy.ci95Classes!).toBeGreaterThan(0);
  const hashes = new Map<string, Set<string>>();
  for (const { key, episodesHash } of (await results('out')).values()) {
    const name = `${key.shots}`;
    hashes.set(name, (hashes.get(name) ?? new Set()).add(episodesHash));
  }
  expect([...hashes.values()].map(({ size }) => size)).toEqual([1, 1]);
  expect(await readFile(join(folder, 'out/few-shot.csv'), 'utf8')).toMatch(/^model,fingerprint,task,ways/);
  expect(await readFile(join(folder, 'out/few-shot.svg'), 'utf8')).toMatch(/pitches, 5-way 1-shot[^]*mfcc-stats/);
  expect(run.stdout).toMatch(/pitches, 5-way 2-shot, 3 queries a class, 60 episodes, cl2n/);
});

test('what is there is kept, what is missing is made again, to the same bytes', async () => {
  const before = await results('out');
  const kept = unlabel('logmel-stats', 'mfcc-stats', ...small, '-o', 'out', '--shots', '1,2');
  expect(kept.stderr).toMatch(/0 new, 12 kept/);
  const bytes = await readFile(join(folder, 'out/few-shot.csv'), 'utf8');
  const [name, one] = [...before][3]!;
  const counts = join(folder, 'out/results', name, '..', one.correct);
  const held = await readFile(counts);
  await writeFile(join(folder, 'out/results', name), '{"schema":1');
  const again = unlabel('logmel-stats', 'mfcc-stats', ...small, '-o', 'out', '--shots', '1,2');
  expect(again.stderr).toMatch(/1 new, 11 kept/);
  expect((await readFile(counts)).equals(held)).toBe(true);
  const { seconds: _now, ...now } = (await results('out')).get(name)!;
  const { seconds: _then, ...then } = one;
  expect(now).toEqual(then);
  const withoutTime = (csv: string): string => csv.replaceAll(/,[\d.]+$/gm, '');
  expect(withoutTime(await readFile(join(folder, 'out/few-shot.csv'), 'utf8'))).toBe(withoutTime(bytes));
});

test('a killed run goes on, and ends with the numbers of an unbroken one', async () => {
  const args = [
    'logmel-stats',
    ...small,
    '--shots',
    '1',
    '--classifiers',
    'cl2n',
    '--seconds',
    '0.25',
    '--workers',
    '1',
  ];
  const child = spawn(process.execPath, [...flags, 'few-shot', ...args, '-o', 'killed'], {
    cwd: folder,
    env,
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const store = join(folder, 'killed/embeddings');
  for (let i = 0; i < 400 && !existsSync(store); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill('SIGKILL');
  await ended;
  expect(unlabel(...args, '-o', 'killed').status).toBe(0);
  expect(unlabel(...args, '-o', 'whole').status).toBe(0);
  const [killed, whole] = await Promise.all([rowsIn('killed'), rowsIn('whole')]);
  expect(killed.map(({ accuracy }) => accuracy)).toEqual(whole.map(({ accuracy }) => accuracy));
  const windows = [...(await results('whole')).values()][0]!;
  expect(windows.key.seconds).toBe(0.25);
});

test('a class split is drawn once, kept, and decides what is tested', async () => {
  const args = [
    'logmel-stats',
    ...small,
    '--shots',
    '1',
    '--ways',
    '3',
    '--classifiers',
    'cl2n',
    '--classes',
    '50/10/40',
  ];
  expect(unlabel(...args, '-o', 'split').status).toBe(0);
  const dir = join(folder, 'split/class-splits');
  const [name] = await readdir(dir);
  const split = JSON.parse(await readFile(join(dir, name!), 'utf8')) as {
    train: string[];
    valid: string[];
    test: string[];
    about: string;
  };
  expect([split.train.length, split.valid.length, split.test.length]).toEqual([5, 1, 4]);
  expect(new Set([...split.train, ...split.valid, ...split.test]).size).toBe(10);
  const [result] = (await results('split')).values();
  expect(result!.classes.base).toEqual(split.train);
  expect(split.test).toEqual(expect.arrayContaining(result!.classes.test.map(([one]) => one)));
  await writeFile(join(folder, 'mine.json'), JSON.stringify({ ...split, test: ['pitch-0', 'pitch-1', 'pitch-1'] }));
  const twice = unlabel(...args.slice(0, -1), 'mine.json', '-o', 'mine');
  expect([twice.status, twice.stderr]).toEqual([
    1,
    expect.stringMatching(/ is there twice; splits must not share classes/),
  ]);
});

test('a number of shots that a task has no classes for is left out, and the others are run', async () => {
  const run = unlabel('logmel-stats', ...small, '-o', 'rare', '--shots', '1,5', '--classifiers', 'centroid');
  expect(run.status, run.stderr).toBe(0);
  expect(run.stderr).toMatch(/5 ways need 5 classes with 8 clips; .* 0 have them. 5-shot is left out/);
  expect((await rowsIn('rare')).map(({ shots }) => shots)).toEqual([1]);
});

test.each([
  [['--ways', '30'], 1, /30 ways need 30 classes with 4 clips; of 10 tested classes \(all classes\) 9 have them/],
  [['--preset', 'metaudio'], 2, /few-shot preset.*metaaudio/],
])('%s is refused with the reason', (args, status, message) => {
  const run = unlabel('logmel-stats', ...small, '-o', 'refused', ...args);
  expect(run.stderr).toMatch(message);
  expect(run.status).toBe(status);
});
