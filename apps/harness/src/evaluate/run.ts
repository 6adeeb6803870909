/** What `unlabel eval` does: find models and tasks, evaluate, print the scores. */
import { existsSync } from 'node:fs';
import { ConfigError, type Result, type Task } from '@unlabel/core';
import type { EvalOptions } from '../commands/eval.ts';
import { createDisplay, type Display } from '../display/display.ts';
import { globMatcher } from '../glob.ts';
import { parseModel } from '../models/resolve.ts';
import { engineOptionsOf, workersOf } from '../options.ts';
import { buildData, suiteNames } from '../quickstart/build-data.ts';
import { lockDir } from '../run-dir.ts';
import { evaluate, type Rerun } from './evaluate.ts';
import { writeTaskProjection } from './projection.ts';

/** Scene tasks of a directory, or of an embedded suite (built when it is not there). Event tasks are skipped with a word. */
export async function openTasks(
  source: string,
  only: string | undefined,
  workers: number,
  display: Display,
): Promise<Task[]> {
  const { findTasks, openTask } = await import('@unlabel/tasks');
  const isSuite = suiteNames.includes(source) && !existsSync(source);
  const dir = isSuite ? 'out/data' : source;
  if (isSuite) await buildData({ suite: source, out: dir, workers, display });
  const matches = globMatcher(only);
  const tasks: Task[] = [];
  for (const path of await findTasks(dir)) {
    const task = await openTask(path);
    if (!matches(task.id)) continue;
    if (task.metadata.embedding_type === 'event') {
      display.warn(`${task.id}: event tasks are not scored yet; skipped`);
    } else tasks.push(task);
  }
  if (tasks.length === 0)
    throw new ConfigError(`--tasks ${source}${only === undefined ? '' : ` --only ${only}`}: no scene task found.`);
  return tasks;
}

export async function runEval(models: readonly string[], options: EvalOptions): Promise<void> {
  const display = createDisplay(options.display);
  const refs = models.map((model) => parseModel(model, options.seed));
  const tasks = await openTasks(options.tasks, options.only, workersOf(options), display);
  const unlock = await lockDir(options.out);
  try {
    const results = await evaluate({
      models: refs,
      tasks,
      out: options.out,
      protocol: options.protocol,
      seed: options.seed,
      rerun: options.rerun as Rerun,
      workers: workersOf(options),
      engine: { ...engineOptionsOf(options), threads: options.threads ?? 1 },
      display,
    });
    for (const ref of refs) await writeTaskProjection(options.out, ref, tasks);
    process.stdout.write(results.map(scoreLine).join(''));
    process.stdout.write(
      `results in ${options.out}/results; compare: npx unlabel leaderboard build ${options.out} -o ${options.out}/board\n`,
    );
  } finally {
    await unlock();
    display.close();
  }
}

function scoreLine({ model, task, primary, metrics, n }: Result): string {
  const score = metrics[primary]!;
  const show = (value: number | null): string => (value === null ? '–' : value.toFixed(4));
  return `${model.id.padEnd(24)} ${task.id.padEnd(20)} ${primary.padEnd(10)} ${show(score.value)} [${show(score.low)}, ${show(score.high)}]  n ${n}\n`;
}
