/** Every shape of HEAR's tasks through `unlabel eval`, at a rate that the model does not have. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { resultSchema } from '@unlabel/core';
import { hearTasks, writeHearTask } from '@unlabel/tasks';
import { expect, test } from 'vitest';

const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));

test.each(['scene', 'event'] as const)('all %s tasks of HEAR are evaluated', { timeout: 600_000 }, async (kind) => {
  const folder = await mkdtemp(join(tmpdir(), 'hear-'));
  const tasks = hearTasks.filter(({ embedding }) => embedding === kind);
  for (const task of tasks) await writeHearTask(folder, task, { clips: 6, rates: [48000], seconds: 0.3 });
  const protocol = kind === 'scene' ? 'linear/v1' : 'hear-faithful/v1';
  const args = ['eval', 'logmel-stats', '--tasks', folder, '-o', join(folder, 'out'), '--protocol', protocol];
  const run = spawnSync(process.execPath, ['--conditions=@unlabel/source', '--no-warnings', cli, ...args], {
    env: { ...process.env, UNLABEL_DISPLAY: 'none', UNLABEL_ENGINE: 'wasm' },
    encoding: 'utf8',
  });
  expect(run.stderr).toBe('');
  expect(run.status).toBe(0);
  const results = join(folder, 'out/results/logmel-stats/logmel-stats-v1');
  const files = (await readdir(results)).filter((name) => name.endsWith('.json'));
  expect(files).toHaveLength(tasks.length); // NSynth's and Speech Commands' two sizes do not meet in one file
  for (const file of files) {
    const result = resultSchema.parse(JSON.parse(await readFile(join(results, file), 'utf8')));
    const task = tasks.find(({ name, mode }) => name === result.task.id && result.task.revision.includes(`-${mode}@`))!;
    expect(Object.keys(result.metrics)).toEqual(task.metrics);
    expect([result.n, result.nFull]).toEqual([6 * (task.folds ?? 1), 6 * (task.folds ?? 1)]);
    expect(result.outcomes).toHaveLength(task.folds ?? 1);
    expect(result.metrics[result.primary]!.value).toBeGreaterThan(0.5); // one tone a class
  }
  expect(await readdir(join(folder, 'out/audio/16000-v1'))).not.toHaveLength(0);
});
