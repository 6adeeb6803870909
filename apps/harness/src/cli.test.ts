/** The command line as a user meets it: real processes on generated sounds. */
import { spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { decodeNpy } from '@unlabel/formats';
import { writeSounds, writeToneTask } from './testing/sounds.ts';

const cli = fileURLToPath(new URL('./cli.ts', import.meta.url));
const flags = ['--conditions=@unlabel/source', '--no-warnings', cli];
const folder = await mkdtemp(join(tmpdir(), 'cli-'));
const sounds = join(folder, 'sounds');
const env = { ...process.env, UNLABEL_DISPLAY: 'none', CI: '1' };

const unlabel = (...args: string[]): SpawnSyncReturns<string> =>
  spawnSync(process.execPath, [...flags, ...args], { cwd: folder, env, encoding: 'utf8' });

/** Run, and end it with SIGKILL once `path` exists; true when it was killed in the middle. */
async function killWhen(args: readonly string[], isReady: () => boolean | Promise<boolean>): Promise<boolean> {
  const child = spawn(process.execPath, [...flags, ...args], { cwd: folder, env, stdio: 'ignore' });
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('exit', (_code, signal) => resolve(signal)));
  const timer = setInterval(() => {
    void Promise.resolve(isReady()).then((ready) => ready && child.kill('SIGKILL'));
  }, 20);
  const signal = await ended;
  clearInterval(timer);
  return signal === 'SIGKILL';
}

const train = (out: string): string[] => {
  const fixed = [
    '--preset',
    'smoke',
    '--set',
    'recipe.steps=10',
    '--seed',
    '5',
    '--workers',
    '1',
    '--checkpoint-every',
    '0.001',
  ];
  return ['pretrain', 'delores-s', '--data', sounds, ...fixed, '--out', out];
};

beforeAll(async () => {
  await writeSounds(sounds, { count: 10, seconds: 1.1 });
  await writeToneTask(join(folder, 'tasks'));
});

test('help lists the commands with examples and wrong usage exits 2 with a suggestion', () => {
  const help = unlabel('--help');
  expect(help.status).toBe(0);
  for (const word of ['quickstart', 'pretrain', 'eval', 'leaderboard', 'Examples:'])
    expect(help.stdout).toContain(word);
  expect(unlabel('pretrain', '--help').stdout).toContain('Examples:');
  const unknown = unlabel('pretrain', 'delore-s', '--data', sounds);
  expect(unknown.status).toBe(2);
  expect(unknown.stderr).toMatch(/unknown method "delore-s". Did you mean delores-s/);
  expect(unlabel('pretrian').stderr).toMatch(/pretrain/);
  expect(unlabel('pretrain', 'delores-s').status).toBe(2);
  const field = unlabel('pretrain', 'delores-s', '--data', sounds, '--set', 'widht=3');
  expect(field.status).toBe(2);
  expect(field.stderr).toContain('widht');
});

test('a run that is killed and repeated ends with the bytes of an unbroken one', async () => {
  expect(unlabel(...train('whole')).status).toBe(0);
  const checkpoints = join(folder, 'broken', 'checkpoints');
  const wasKilled = await killWhen(
    train('broken'),
    async () => existsSync(checkpoints) && (await readdir(checkpoints)).some((name) => name.startsWith('step-')),
  );
  expect(wasKilled).toBe(true);
  expect(existsSync(join(folder, 'broken', 'model'))).toBe(false);
  const again = unlabel(...train('broken'));
  expect(again.stderr).toBe('');
  expect(again.status).toBe(0);
  const weights = (run: string): Promise<Buffer> => readFile(join(folder, run, 'model', 'model.safetensors'));
  expect((await weights('broken')).equals(await weights('whole'))).toBe(true);
  const losses = async (run: string): Promise<unknown[]> =>
    (await readFile(join(folder, run, 'log.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { loss: number }).loss);
  expect(await losses('broken')).toEqual(await losses('whole'));
  const other = unlabel(...train('whole').map((word) => (word === '5' ? '6' : word)));
  expect(other.status).toBe(2);
  expect(other.stderr).toContain('seed (5 there, 6 now)');
});

describe('with a trained run', () => {
  beforeAll(() => {
    if (!existsSync(join(folder, 'whole', 'model'))) unlabel(...train('whole'));
  });

  const evaluate = (out: string): string[] => [
    'eval',
    'whole',
    'whole@init',
    'logmel-stats',
    'chance',
    '--tasks',
    'tasks',
    '-o',
    out,
    '--seed',
    '2',
  ];

  /** CSV without the column of seconds. */
  const csv = async (out: string): Promise<string[]> =>
    (await readFile(join(folder, out, 'leaderboard.csv'), 'utf8')).split('\n').map((row) =>
      row
        .split(',')
        .filter((_, i) => i !== 11)
        .join(','),
    );

  test('eval and leaderboard write what they say, and a killed eval ends with the same numbers', async () => {
    const run = unlabel(...evaluate('e1'));
    expect(run.stderr).toBe('');
    expect(run.stdout).toMatch(/logmel-stats +tones +top1_acc +[\d.]+ \[/);
    const built = unlabel('leaderboard', 'build', 'e1', '-o', 'e1');
    expect(built.status).toBe(0);
    expect(built.stdout).toContain('whole');
    const rows = await csv('e1');
    expect(rows[0]).toBe('model,method,task,task_revision,protocol,metric,score,low,high,n,seed,engine,params,source');
    expect(rows.filter((row) => row.startsWith('logmel-stats,'))).toHaveLength(2); // top1_acc and mAP
    const html = await readFile(join(folder, 'e1', 'leaderboard.html'), 'utf8');
    expect(html).toContain('whole');
    expect(html).not.toMatch(/(?:src|href)="https?:/);

    const store = join(folder, 'e2', 'embeddings');
    const wasKilled = await killWhen(
      evaluate('e2'),
      async () =>
        existsSync(store) && (await readdir(store, { recursive: true })).some((name) => name.endsWith('.jsonl')),
    );
    expect(wasKilled).toBe(true);
    expect(unlabel(...evaluate('e2')).status).toBe(0);
    expect(unlabel('leaderboard', 'build', 'e2', '-o', 'e2').status).toBe(0);
    expect(await csv('e2')).toEqual(rows);
  });

  test('embed writes one row a file, in the order asked for', async () => {
    const files = ['sound-003.wav', 'sound-000.wav'].map((name) => join(sounds, name));
    expect(unlabel('embed', 'whole', ...files, '-o', 'two.npy').status).toBe(0);
    const both = decodeNpy(await readFile(join(folder, 'two.npy')));
    expect(both.shape).toEqual([2, 32]);
    expect(unlabel('embed', 'whole', files[1]!, '-o', 'one.npy').status).toBe(0);
    const one = decodeNpy(await readFile(join(folder, 'one.npy')));
    one.data.forEach((value, j) => expect(both.data[32 + j]).toBeCloseTo(value, 5));
    await writeFile(join(folder, 'broken.wav'), 'RIFF, or so it says');
    const broken = unlabel('embed', 'whole', files[0]!, 'broken.wav', '-o', 'none.npy');
    expect(broken.status).toBe(1);
    expect(broken.stderr).toContain('broken.wav');
    expect(existsSync(join(folder, 'none.npy'))).toBe(false);
  });

  test('a broken task directory gets one message a fault and no stack', async () => {
    const bad = join(folder, 'bad', 'tones-v1-full');
    await cp(join(folder, 'tasks', 'tones-v1-full'), bad, { recursive: true });
    const labels = JSON.parse(await readFile(join(bad, 'test.json'), 'utf8')) as Record<string, string[]>;
    labels['gone.wav'] = ['low'];
    labels['../escape.wav'] = ['low'];
    labels['test-0.wav'] = ['no-such-label'];
    await writeFile(join(bad, 'test.json'), JSON.stringify(labels));
    const validated = unlabel('tasks', 'validate', 'bad');
    expect(validated.status).toBe(1);
    for (const word of ['gone.wav', 'escape.wav', 'no-such-label']) expect(validated.stdout).toContain(word);
    const evaluated = unlabel('eval', 'logmel-stats', '--tasks', 'bad', '-o', 'e3');
    expect(evaluated.status).toBe(1);
    expect(evaluated.stderr).not.toMatch(/\n\s+at /);
  });

  test('ls and show answer in text and JSON', () => {
    expect(unlabel('ls', 'methods').stdout).toContain('delores-m');
    expect(JSON.parse(unlabel('ls', 'presets', 'delores-s*', '--json').stdout)).toEqual(
      expect.arrayContaining([expect.objectContaining({ id: 'delores-s@quickstart' })]),
    );
    expect(unlabel('ls', 'tasks', '--tasks', 'tasks').stdout).toMatch(/tones +scene multiclass +4 +48/);
    expect(unlabel('show', 'delores-s').stdout).toContain('recipe.lr = 0.03');
    expect((JSON.parse(unlabel('show', 'whole').stdout) as { method: string }).method).toBe('delores-s');
  });
});
