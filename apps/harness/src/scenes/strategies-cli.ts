/** What `unlabel strategies` does: the runs, their scores, then the table of all that are there. */
import { ConfigError, parseOverrides } from '@unlabel/core';
import { useEngine } from '@unlabel/engine';
import type { StrategiesCliOptions } from '../commands/strategies.ts';
import { createDisplay } from '../display/display.ts';
import { freeMemory } from '../evaluate/memory.ts';
import { openTasks } from '../evaluate/run.ts';
import { globMatcher } from '../glob.ts';
import { loadMethod } from '../load-method.ts';
import { engineOptionsOf, workersOf } from '../options.ts';
import { writeStrategies } from './strategies-report.ts';
import { rowsOf } from './strategies-rows.ts';
import { scoreOnTasks, taskScoreOf } from './strategies-tasks.ts';
import { runStrategies, sceneScorer, type StrategyResult } from './strategies.ts';

export async function runStrategiesCommand(options: StrategiesCliOptions): Promise<void> {
  const [, part = '1', of = '1'] = /^(\d+)\/(\d+)$/.exec(options.part ?? '1/1') ?? [];
  if (!(Number(part) >= 1 && Number(part) <= Number(of)))
    throw new ConfigError(`--part ${options.part}: expected I/N with I from 1 to N.`);
  const { data, preset, seeds, steps, out } = options;
  const methods = options.stages.split(',');
  const { modality } = (await loadMethod(methods[0]!)).card;
  if (options.tasks === undefined && modality !== 'audio-visual')
    throw new ConfigError(
      `--stages ${options.stages}: they learn from ${modality}, which no scenes are; give --tasks.`,
    );
  const display = createDisplay(options.display);
  const tasks = options.tasks === undefined ? undefined : await openTasks(options.tasks, undefined, workersOf(options), display); // prettier-ignore
  const scores = tasks && (options.score ?? ['linear/v1=*']).map((text) => taskScoreOf(text, tasks));
  const isWanted = globMatcher(options.rows);
  const rows = rowsOf(methods, { betas: options.betas ?? [], isSupervised: !tasks }).filter(({ id }) => isWanted(id));
  if (rows.length === 0) throw new ConfigError(`--rows ${options.rows}: none of the rows is named so.`);
  const engine = engineOptionsOf(options);
  await useEngine(engine);
  const request = { rows, data, preset, set: parseOverrides(options.set ?? []), seeds, steps, out, engine, display, workers: tasks ? workersOf(options) : 0, part: Number(part) - 1, of: Number(of) }; // prettier-ignore
  let results: readonly StrategyResult[];
  if (scores) {
    const runs = await runStrategies(request, (run) => Promise.resolve(run));
    results = await scoreOnTasks(runs, scores, { out, memory: freeMemory(), workers: workersOf(options), engine: { ...engine, threads: options.threads ?? 1 }, display }); // prettier-ignore
  } else results = await runStrategies(request, sceneScorer(options));
  if (of === '1') process.stdout.write(await writeStrategies(out, results));
  display.close();
}
