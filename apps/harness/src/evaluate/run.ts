/** What `unlabel eval` does: find models and tasks, evaluate, print the scores. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ConfigError, unknownName, type Result } from '@unlabel/core';
import { detectionProtocols, isDetectionProtocol, measuredProtocols, protocols } from '@unlabel/probes';
import type { OpenedTask } from '@unlabel/tasks';
import type { EvalOptions } from '../commands/eval.ts';
import { createDisplay, type Display } from '../display/display.ts';
import { globMatcher } from '../glob.ts';
import { parseModel } from '../models/resolve.ts';
import { engineOptionsOf, workersOf } from '../options.ts';
import { buildData, suiteNames } from '../quickstart/build-data.ts';
import { lockDir } from '../run-dir.ts';
import { dryRun } from './dry-run.ts';
import { evaluate, type EvaluateOptions } from './evaluate.ts';
import { freeMemory } from './memory.ts';
import { writeTaskProjection } from './projection.ts';
import type { Rerun } from './result-file.ts';

const isGlob = (name: string): boolean => /[*?{]/.test(name);

/**
 * Tasks of a directory, of those in it that a pattern matches (`~/hear/tasks/esc50*`), or of an embedded suite (built when it is
 * not there).
 */
export async function openTasks(
  source: string,
  only: string | undefined,
  workers: number,
  display: Display,
): Promise<OpenedTask[]> {
  const { findAnyTasks, openAnyTask } = await import('./open-task.ts');
  const isSuite = suiteNames.includes(source) && !existsSync(source);
  const pattern = !isSuite && !existsSync(source) && isGlob(basename(source)) ? basename(source) : undefined;
  const dir = isSuite
    ? join('out/data', source === 'images' ? 'images' : 'tasks')
    : pattern === undefined
      ? source
      : dirname(source);
  if (isSuite) await buildData({ suite: source, out: 'out/data', workers, display });
  const inDir = globMatcher(pattern);
  const matches = globMatcher(only);
  const tasks: OpenedTask[] = [];
  for (const path of await findAnyTasks(dir)) {
    if (!inDir(basename(path))) continue;
    const task = await openAnyTask(path);
    if (matches(task.id)) tasks.push(task);
  }
  if (tasks.length === 0)
    throw new ConfigError(`--tasks ${source}${only === undefined ? '' : ` --only ${only}`}: no task found.`);
  return tasks;
}

export async function runEval(models: readonly string[], options: EvalOptions): Promise<void> {
  const display = createDisplay(options.display);
  const known = [protocols, measuredProtocols, detectionProtocols].flatMap((table) => Object.keys(table));
  if (!known.includes(options.protocol))
    throw new ConfigError(`--protocol: ${unknownName('protocol', options.protocol, known)}`);
  const refs = models.map((model) => parseModel(model, options.seed, options));
  const tasks = scoredBy(
    options.protocol,
    await openTasks(options.tasks, options.only, workersOf(options), display),
    display,
  );
  const wanted: EvaluateOptions = {
    models: refs,
    tasks,
    out: options.out,
    cache: options.cache,
    protocol: options.protocol,
    seeds: options.seeds ?? [options.seed],
    folds: options.folds,
    limit: options.limit,
    memory: options.memory ?? freeMemory(),
    rerun: options.rerun as Rerun,
    workers: workersOf(options),
    engine: { ...engineOptionsOf(options), threads: options.threads ?? 1 },
    display,
  };
  if (options.dryRun) {
    if (isDetectionProtocol(options.protocol))
      throw new ConfigError(
        `--dry-run: estimates embedding, which ${options.protocol} does not do; it trains for a fixed number of steps.`,
      );
    process.stdout.write(await dryRun(wanted));
    display.close();
    return;
  }
  const unlock = await lockDir(options.out);
  try {
    const results = await evaluate(wanted);
    const isWhole =
      options.folds === undefined && options.limit === undefined && !isDetectionProtocol(options.protocol);
    const cache = options.cache ?? options.out;
    if (isWhole) for (const ref of refs) await writeTaskProjection(cache, ref, tasks, options.precision);
    process.stdout.write(results.map(scoreLine).join(''));
    process.stdout.write(
      `results in ${options.out}/results; compare: npx unlabel leaderboard build ${options.out} -o ${options.out}/board\n`,
    );
  } finally {
    await unlock();
    display.close();
  }
}

/** Of a folder of tasks, those the protocol can score; a task that was asked for alone is refused later, with the reason. */
function scoredBy(protocol: string, tasks: readonly OpenedTask[], display: Display): readonly OpenedTask[] {
  if (isDetectionProtocol(protocol)) {
    const withBoxes = tasks.filter(({ hasBoxes }) => hasBoxes);
    if (withBoxes.length === 0 || withBoxes.length === tasks.length) return tasks;
    const left = tasks.filter(({ hasBoxes }) => !hasBoxes).map(({ id }) => id);
    display.warn(`${left.join(', ')}: without boxes, which ${protocol} detects; left out`);
    return withBoxes;
  }
  if (protocols[protocol]?.takesEvents) return tasks;
  const scenes = tasks.filter(({ metadata }) => metadata.embedding_type === 'scene');
  if (scenes.length === 0 || scenes.length === tasks.length) return tasks;
  const left = tasks.filter((task) => !scenes.includes(task)).map(({ id }) => id);
  display.warn(
    `${left.join(', ')}: about events, which ${protocol} does not score; left out (--protocol hear-faithful/v1 does)`,
  );
  return scenes;
}

function scoreLine({ model, task, primary, metrics, n, nFull, seed, partial }: Result): string {
  const score = metrics[primary]!;
  const show = (value: number | null): string => (value === null ? '–' : value.toFixed(4));
  const part = partial ? ` of ${nFull} (partial, not ranked)` : '';
  return `${model.id.padEnd(24)} ${task.id.padEnd(20)} ${primary.padEnd(10)} ${show(score.value)} [${show(score.low)}, ${show(score.high)}]  n ${n}${part}${seed === 0 ? '' : `  seed ${seed}`}\n`;
}
