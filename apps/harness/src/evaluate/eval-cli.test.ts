/** `unlabel eval` on bad input, stopped, and in parts: real processes on HEAR's tasks in miniature. */
import { spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { resultSchema, type Result } from '@unlabel/core';
import { encodeWav } from '@unlabel/formats';
import { hearTasks, writeHearTask } from '@unlabel/tasks';
import { expect, test } from 'vitest';

const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
const flags = ['--conditions=@unlabel/source', '--no-warnings', cli];
const folder = await mkdtemp(join(tmpdir(), 'eval-'));
const env = { ...process.env, UNLABEL_DISPLAY: 'none', UNLABEL_ENGINE: 'wasm', UNLABEL_WORKERS: '2', CI: '1' };

const unlabel = (...args: string[]): SpawnSyncReturns<string> =>
  spawnSync(process.execPath, [...flags, ...args], { cwd: folder, env, encoding: 'utf8' });
const named = (name: string): (typeof hearTasks)[number] => hearTasks.find((task) => task.name === name)!;
const good = await writeHearTask(join(folder, 'good'), named('esc50'), { clips: 4 });
const taskName = 'esc50-v2.0.0-full';

/** A copy of the good task to damage. */
async function copy(name: string): Promise<string> {
  const dir = join(folder, name, taskName);
  await cp(good, dir, { recursive: true });
  return dir;
}

async function results(out: string): Promise<Map<string, Result>> {
  const dir = join(folder, out, 'results');
  const names = existsSync(dir) ? await readdir(dir, { recursive: true }) : [];
  const found = new Map<string, Result>();
  for (const name of names.filter((one) => one.endsWith('.json')))
    found.set(name.split('/').at(-1)!, resultSchema.parse(JSON.parse(await readFile(join(dir, name), 'utf8'))));
  return found;
}

/** A result without what differs between runs by nature. */
const settled = ({ time: _time, memory: _memory, ...rest }: Result): unknown => rest;

const failures: readonly (readonly [string, (dir: string) => Promise<unknown>, RegExp])[] = [
  ['a truncated wav', (dir) => truncate(join(dir, '16000/fold03/fold03_2.wav'), 900), /fold03_2\.wav: it is truncated/],
  [
    'a wav at another rate',
    (dir) =>
      writeFile(
        join(dir, '16000/fold01/fold01_1.wav'),
        encodeWav({ sampleRate: 22050, channels: [new Float32Array(9000).fill(0.1)] }),
      ),
    /fold01_1\.wav: expected 16000 Hz as its folder says, found 22050 Hz/,
  ],
  ['an empty split', (dir) => writeFile(join(dir, 'fold02.json'), '{}'), /fold02\.json: the split is empty/],
  [
    'a label outside the vocabulary',
    (dir) => writeFile(join(dir, 'fold02.json'), '{"fold02_0.wav": ["unicorn"]}'),
    /"fold02_0\.wav": label "unicorn" is not in labelvocabulary\.csv/,
  ],
  [
    'folds that overlap',
    async (dir) => {
      await cp(join(dir, '16000/fold00/fold00_0.wav'), join(dir, '16000/fold04/fold00_0.wav'));
      await writeFile(join(dir, 'fold04.json'), '{"fold00_0.wav": ["ape"]}');
    },
    /splits overlap.*fold00_0\.wav is in fold00 and in fold04/,
  ],
];

test.each(failures)(
  '%s ends with exit status 1 and its name, and keeps what is finished',
  async (name, damage, message) => {
    const id = name.replaceAll(' ', '-');
    await damage(await copy(id));
    const run = unlabel('eval', 'logmel-stats', '--tasks', id, '-o', `out-${id}`);
    expect(run.stderr).toMatch(message);
    expect(run.stderr).not.toMatch(/\n\s+at /);
    expect(run.status).toBe(1);
    expect((await results(`out-${id}`)).size).toBe(0);
  },
);

test('a broken file costs its own task only, and once repaired nothing is embedded twice', async () => {
  const dir = await copy('mixed');
  await writeHearTask(join(folder, 'mixed'), named('gunshot_triangulation'), { clips: 4 });
  const wav = join(dir, '16000/fold03/fold03_2.wav');
  const whole = await readFile(wav);
  await truncate(wav, 900);
  const args = ['eval', 'logmel-stats', '--tasks', 'mixed', '-o', 'out-mixed'];
  const broken = unlabel(...args);
  expect(broken.status).toBe(1);
  expect([...(await results('out-mixed')).keys()]).toEqual(['gunshot_triangulation.linear-v1.s0.json']);
  const store = join(folder, 'out-mixed/embeddings', (await readdir(join(folder, 'out-mixed/embeddings')))[0]!);
  const before = new Map(
    await Promise.all(
      (await readdir(store)).map(async (name) => [name, await readFile(join(store, name), 'utf8')] as const),
    ),
  );
  await writeFile(wav, whole);
  expect(unlabel(...args).status).toBe(0);
  for (const [name, text] of before)
    if (name.endsWith('.jsonl')) expect((await readFile(join(store, name), 'utf8')).startsWith(text)).toBe(true);
  expect((await results('out-mixed')).size).toBe(2);
});

test('a cache that cannot be written, and a full disk, are named', async () => {
  await writeFile(join(folder, 'file'), 'no folder');
  const closed = unlabel('eval', 'logmel-stats', '--tasks', 'good', '-o', 'out-closed', '--cache', 'file');
  expect(closed.status).toBe(1);
  expect(closed.stderr).toMatch(/error: file\/hashes\/esc50-.*: the file could not be written/);
  if (!existsSync('/dev/full')) return; // Linux has it
  expect(unlabel('eval', 'logmel-stats', '--tasks', 'good', '-o', 'out-full').status).toBe(0);
  const store = join(folder, 'out-full/embeddings', (await readdir(join(folder, 'out-full/embeddings')))[0]!);
  const [name] = (await readdir(store)).filter((one) => one.endsWith('.f32'));
  await rm(join(store, name!));
  await rm(join(store, name!.replace('.f32', '.jsonl')));
  await symlink('/dev/full', join(store, name!));
  const full = unlabel('eval', 'logmel-stats', '--tasks', 'good', '-o', 'out-full', '--rerun', 'always');
  expect(full.status).toBe(1);
  expect(full.stderr).toMatch(new RegExp(`${name}: the embeddings could not be written \\(ENOSPC`));
});

test('seeds share one embedding; folds and limits are partial and never stand for the whole', async () => {
  const args = ['eval', 'logmel-stats', 'chance', '--tasks', 'good/esc*', '-o', 'parts'];
  const partial = unlabel(...args, '--folds', '0,2', '--limit', '2', '--seeds', '3-4');
  expect(partial.stderr).toBe('');
  expect(partial.stdout).toMatch(/logmel-stats +esc50 .* n 4 of 20 \(partial, not ranked\) {2}seed 3/);
  const first = await results('parts');
  expect([...first.keys()].sort()).toEqual(
    ['s3', 's3', 's4', 's4']
      .slice(0, 4)
      .map((seed) => `esc50.linear-v1.${seed}.folds-0-2.limit-2.json`)
      .filter((name, i, all) => all.indexOf(name) === i),
  );
  const one = first.get('esc50.linear-v1.s3.folds-0-2.limit-2.json')!;
  expect([one.n, one.nFull, one.partial]).toEqual([4, 20, { folds: [0, 2], limit: 2 }]);
  expect(one.outcomes!.map(({ fold, test }) => [fold, test])).toEqual([
    [0, ['fold00']],
    [2, ['fold02']],
  ]);
  expect(unlabel(...args, '--folds', '7').stderr).toMatch(/--folds 7: esc50 has folds 0 to 4/);
  expect(unlabel(...args).status).toBe(0);
  const board = unlabel('leaderboard', 'build', 'parts', '-o', 'parts');
  expect(board.status).toBe(0);
  const whole = (await results('parts')).get('esc50.linear-v1.s0.json')!;
  expect([whole.n, whole.partial, whole.outcomes!.length]).toEqual([20, undefined, 5]);
});

test('a dry run says what it would take and writes nothing; events want a protocol that takes them', async () => {
  await writeHearTask(join(folder, 'events'), named('dcase2016_task2'), { clips: 2, seconds: 0.2 });
  const dry = unlabel('eval', 'logmel-stats', 'chance', '--tasks', 'good', '-o', 'dry', '--dry-run', '--memory', '1G');
  expect(dry.stderr).toBe('');
  expect(dry.stdout).toMatch(/esc50 +20 clips +0\.00 h +embed +[\d.]+ s +disk 10 kB\n/);
  expect(existsSync(join(folder, 'dry'))).toBe(false);
  const refused = unlabel('eval', 'logmel-stats', '--tasks', 'events', '-o', 'events-out');
  expect(refused.status).toBe(2);
  expect(refused.stderr).toMatch(
    /dcase2016_task2: linear\/v1 scores clips, and this task is about events.*hear-faithful\/v1/,
  );
  const chance = unlabel('eval', 'chance', '--tasks', 'events', '-o', 'events-out', '--protocol', 'hear-better/v1');
  expect(chance.stdout).toMatch(/chance +dcase2016_task2 +event_onset_200ms_fms/);
});

/** Runs `args` and sends a signal to it or to one of its workers as soon as `isReady`; resolves with its exit code. */
async function interfere(
  args: readonly string[],
  isReady: () => Promise<boolean>,
  whom: 'parent' | 'worker' = 'parent',
  signal: NodeJS.Signals = 'SIGKILL',
): Promise<{ code: number | null; stderr: string; struck: boolean }> {
  const child = spawn(process.execPath, [...flags, ...args], { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  let struck = false;
  const timer = setInterval(() => {
    void isReady().then((ready) => {
      if (!ready || struck) return;
      const target = whom === 'parent' ? child.pid : workersOf(child.pid!)[0];
      if (target === undefined) return;
      struck = true;
      process.kill(target, signal);
    });
  }, 10);
  const code = await ended;
  clearInterval(timer);
  return { code, stderr, struck };
}

const workersOf = (pid: number): number[] =>
  spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
    .stdout.split('\n')
    .map((line) => Number(line.trim()))
    .filter((one) => one > 0);

/** Lines that commit embeddings. */
async function committed(out: string): Promise<number> {
  const root = join(folder, out, 'embeddings');
  if (!existsSync(root)) return 0;
  const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.jsonl'));
  const texts = await Promise.all(names.map((name) => readFile(join(root, name), 'utf8').catch(() => '')));
  return texts.reduce((sum, text) => sum + Math.max(0, text.split('\n').length - 2), 0);
}

test('a k-fold run that is killed twice ends with the bytes of an unbroken one; a worker that dies is named', async () => {
  await mkdir(join(folder, 'kill'), { recursive: true });
  await writeHearTask(join(folder, 'kill'), named('beijing_opera'), { clips: 40 });
  const args = (out: string): string[] => [
    'eval',
    'random:delores-s@smoke',
    '--tasks',
    'kill',
    '-o',
    out,
    '--seed',
    '1',
  ];
  expect(unlabel(...args('calm')).status).toBe(0);
  const dead = await interfere(args('stormy'), async () => (await committed('stormy')) > 0, 'worker');
  if (dead.struck && dead.code !== 0) {
    expect(dead.code).toBe(1);
    expect(dead.stderr).toMatch(
      /delores-s-random: embedding .*fold0.*: the worker process ended \(SIGKILL\)|linear\/v1 of delores-s-random/,
    );
  }
  const before = await committed('stormy');
  await interfere(args('stormy'), async () => (await committed('stormy')) >= before);
  const stopped = await interfere(
    args('stormy'),
    async () => existsSync(join(folder, 'stormy/.lock')) && (await committed('stormy')) > before,
    'parent',
    'SIGINT',
  );
  if (stopped.struck && stopped.code !== 0) {
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toMatch(/stopped\. To go on: npx unlabel eval random:delores-s@smoke/);
  }
  expect(unlabel(...args('stormy')).status).toBe(0);
  const [calm, stormy] = [await results('calm'), await results('stormy')];
  expect([...stormy].map(([name, result]) => [name, settled(result)])).toEqual(
    [...calm].map(([name, result]) => [name, settled(result)]),
  );
  const data = async (out: string): Promise<[string, Buffer][]> => {
    const root = join(folder, out, 'embeddings');
    const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.f32')).sort();
    return Promise.all(names.map(async (name) => [name, await readFile(join(root, name))] as [string, Buffer]));
  };
  expect(await data('stormy')).toEqual(await data('calm'));
});
