/** Signals while the native engine computes: `preload/preload.cc` says what they would do. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findNative } from './load.ts';

/**
 * Multiplies matrices whose inner side is too long for oneDNN's own stack, small allocations coming and going, and tells what it saw:
 * wrong products, signals handled, and the signals that a child of its own would not get.
 */
const program = `
import { spawnSync } from 'node:child_process';
import { setImmediate } from 'node:timers/promises';
import { tf, useEngine } from '@unlabel/engine';
await useEngine({ engine: 'tensorflow', threads: 1 });
let handled = 0;
process.on('SIGUSR2', () => handled++);
const [a, b] = [tf.fill([96, 16384], 1), tf.fill([16384, 64], 0.5)];
const held = [];
console.log('ready');
let wrong = 0;
for (const until = Date.now() + Number(process.env.MILLISECONDS); Date.now() < until; await setImmediate()) {
  const product = tf.matMul(a, b);
  wrong += product.dataSync().filter((value) => value !== 8192).length;
  product.dispose();
  held.push(tf.zeros([1 + (held.length % 50)]));
  if (held.length > 200) tf.dispose(held.splice(0, 100));
}
const { stdout } = spawnSync('cat', ['/proc/self/status'], { encoding: 'utf8' });
console.log(JSON.stringify({ handled, wrong, blocked: /SigBlk:\\s*(\\S+)/.exec(stdout)[1] }));
`;

let folder: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signals-'));
});
afterEach(() => {
  child?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Starts the program; `line` gives what it prints. */
async function start(milliseconds: number, flags: readonly string[] = []) {
  const args = ['--conditions=@unlabel/source', ...flags, '--input-type=module', '--eval', program];
  const started = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: import.meta.dirname,
    env: { ...process.env, MILLISECONDS: String(milliseconds) },
  });
  child = started;
  const ended = once(started, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const lines = createInterface({ input: started.stdout })[Symbol.asyncIterator]();
  expect(await lines.next()).toMatchObject({ value: 'ready' });
  return { started, ended, line: async () => (await lines.next()).value as string };
}

test.runIf(findNative('cpu'))(
  'a thousand a second disturb neither products nor memory, and children get theirs',
  async () => {
    const { started, ended, line } = await start(2500);
    const beat = setInterval(() => started.kill('SIGUSR2'), 1);
    const told = await line().finally(() => clearInterval(beat));
    expect(await ended).toEqual([0, null]);
    const { handled, ...rest } = JSON.parse(told) as { handled: number; wrong: number; blocked: string };
    expect(rest).toEqual({ wrong: 0, blocked: '0000000000000000' });
    expect(handled).toBeGreaterThan(100);
  },
);

test.runIf(findNative('cpu'))('the profiler of node takes its samples', async () => {
  const { ended } = await start(2500, ['--cpu-prof', '--cpu-prof-interval', '500', '--cpu-prof-dir', folder]);
  expect(await ended).toEqual([0, null]);
  const { samples } = JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8')) as { samples: number[] };
  expect(samples.length).toBeGreaterThan(1000);
});

test.runIf(findNative('cpu'))('a process that computes is ended by SIGTERM', async () => {
  const { started, ended } = await start(60_000);
  started.kill('SIGTERM');
  expect(await ended).toEqual([null, 'SIGTERM']);
});
