/**
 * `kill -9` at random moments of a k-fold evaluation: the results must have the bytes of an undisturbed run, timings and memory
 * apart.
 *
 *   node --conditions=@unlabel/source benchmarks/kill-eval.ts [--kills 10] [--model random:delores-s@smoke] [--protocol linear/v1]
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createRng } from '@unlabel/core';
import { sha256 } from '@unlabel/formats';
import { hearTasks, writeHearTask } from '@unlabel/tasks';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '10' },
    model: { type: 'string', default: 'random:delores-s@smoke' },
    protocol: { type: 'string', default: 'linear/v1' },
    task: { type: 'string', default: 'beijing_opera' },
    clips: { type: 'string', default: '250' },
    seed: { type: 'string', default: '0' },
  },
});
const cli = fileURLToPath(new URL('../apps/harness/src/cli.ts', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'kill-eval-'));
const command = (out: string): string[] => [
  '--conditions=@unlabel/source',
  '--no-warnings',
  cli,
  'eval',
  values.model,
  '--tasks',
  folder,
  '--protocol',
  values.protocol,
  '-o',
  join(folder, out),
  '--engine',
  'wasm',
  '--workers',
  '2',
  '--display',
  'none',
];

/** What a run leaves: hashes of its files by path, results without their timings and memory. */
async function left(out: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const part of ['results', 'embeddings']) {
    const root = join(folder, out, part);
    for (const name of (await readdir(root, { recursive: true })).sort()) {
      if (!/\.(json|f32)$|\.predictions\.jsonl$/.test(name)) continue;
      const bytes = await readFile(join(root, name));
      found.set(`${part}/${name}`, sha256(name.endsWith('.json') ? settled(bytes.toString()) : bytes));
    }
  }
  return found;
}

function settled(json: string): string {
  const { time: _time, memory: _memory, ...rest } = JSON.parse(json) as Record<string, unknown>;
  return JSON.stringify(rest);
}

/** Runs and kills after `ms`; true when it was killed, false when it ended before. */
function killAfter(out: string, ms: number): Promise<boolean> {
  const child = spawn(process.execPath, command(out), { stdio: 'ignore' });
  const timer = setTimeout(() => child.kill('SIGKILL'), ms);
  return new Promise((resolve) =>
    child.on('exit', (_code, signal) => {
      clearTimeout(timer);
      resolve(signal === 'SIGKILL');
    }),
  );
}

const task = hearTasks.find(({ name }) => name === values.task);
if (!task) throw new Error(`unknown task ${values.task}`);
await writeHearTask(folder, task, { clips: Number(values.clips) });
const start = performance.now();
const calm = spawnSync(process.execPath, command('calm'), { encoding: 'utf8' });
if (calm.status !== 0) throw new Error(calm.stderr);
const whole = performance.now() - start;
const again = performance.now();
spawnSync(process.execPath, command('calm')); // everything is there: what starting takes
const starting = performance.now() - again;
const rng = createRng(Number(values.seed)).fork('kills');
let kills = 0;
for (let i = 0; i < Number(values.kills); i++) {
  const share = (whole - starting) / Number(values.kills); // of the work, so that there is some left for the next
  const ms = starting * 0.8 + rng.range(0, 1.8) * share;
  if (await killAfter('stormy', ms)) kills++;
  process.stdout.write(`kill ${i + 1} after ${(ms / 1000).toFixed(1)} s of ${(whole / 1000).toFixed(1)} s\n`);
}
const last = spawnSync(process.execPath, command('stormy'), { encoding: 'utf8' });
if (last.status !== 0) throw new Error(last.stderr);
const [a, b] = [await left('calm'), await left('stormy')];
const apart = [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name));
process.stdout.write(
  apart.length === 0
    ? `${kills} kills: ${a.size} files are byte-identical (timings and memory apart)\n`
    : `${kills} kills: files differ:\n${apart.map((name) => `  ${name}\n`).join('')}`,
);
if (apart.length > 0) process.exitCode = 1;
