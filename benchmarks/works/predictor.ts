/** Our side of `predictor`: `unlabel predict` as a user runs it, start of the process included; or hear-eval-kit's recorded times. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readJson } from '@unlabel/formats';
import { serve, timed } from '../lib/serve.ts';

const run = promisify(execFile);
const root = new URL('../../', import.meta.url).pathname;
const fixtures = join(root, 'apps/harness/fixtures/hear-predictor');
const side = process.argv[2]!;

interface Recorded {
  readonly source: string;
  readonly tasks: readonly { readonly task: string; readonly wall_seconds: number }[];
}

const recorded = (await readJson(join(fixtures, 'hear-predictor.json'))) as Recorded; // a fixture of this repository

async function predict(task: string): Promise<number> {
  const out = await mkdtemp(join(tmpdir(), 'unlabel-bench-predictor-'));
  const cli = [
    '--conditions=@unlabel/source',
    'apps/harness/bin/unlabel.mjs',
    'predict',
    join(fixtures, task),
    '-o',
    out,
  ];
  try {
    return await timed(() => run(process.execPath, [...cli, '--engine', side, '--display', 'none'], { cwd: root }));
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

await serve(
  side === 'recorded' ? { source: recorded.source } : { node: process.version, engine: side },
  Object.fromEntries(
    recorded.tasks.map(({ task, wall_seconds: seconds }) => [
      task,
      () => (side === 'recorded' ? Promise.resolve(seconds) : predict(task)),
    ]),
  ),
);
