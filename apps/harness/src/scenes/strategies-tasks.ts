/** Scores of the runs of a table on tasks, as `unlabel eval` gives them. */
import { join } from 'node:path';
import { ConfigError, unknownName } from '@unlabel/core';
import { detectionProtocols, protocols } from '@unlabel/probes';
import type { OpenedTask } from '@unlabel/tasks';
import { evaluate, type EvaluateOptions } from '../evaluate/evaluate.ts';
import { globMatcher } from '../glob.ts';
import type { StrategyResult, StrategyRun } from './strategies.ts';

/** A protocol and the tasks it is asked for. */
export interface TaskScore {
  readonly protocol: string;
  readonly tasks: readonly OpenedTask[];
}

/** `knn-dino/v1=emoji-category`: a protocol, and a pattern of the ids of tasks. */
export function taskScoreOf(text: string, tasks: readonly OpenedTask[]): TaskScore {
  const [protocol = '', pattern = ''] = text.split('=');
  const known = [...Object.keys(protocols), ...Object.keys(detectionProtocols)];
  if (!known.includes(protocol)) throw new ConfigError(`--score ${text}: ${unknownName('protocol', protocol, known)}`);
  const matches = globMatcher(pattern);
  const own = tasks.filter(({ id }) => pattern !== '' && matches(id));
  if (own.length > 0) return { protocol, tasks: own };
  throw new ConfigError(
    `--score ${text}: expected PROTOCOL=TASKS, with a pattern that one of ${tasks.map(({ id }) => id).join(', ')} matches.`,
  );
}

/** Results of each seed lie in a folder of their own, since the networks of a row are named alike. */
export async function scoreOnTasks(
  runs: readonly StrategyRun[],
  scores: readonly TaskScore[],
  options: Pick<EvaluateOptions, 'out' | 'memory' | 'workers' | 'engine' | 'display'>,
): Promise<StrategyResult[]> {
  const columns = new Map<StrategyRun, Record<string, number>>(runs.map((run) => [run, {}]));
  for (const seed of new Set(runs.map((run) => run.seed))) {
    const own = runs.filter((run) => run.seed === seed);
    const models = own.map(({ row, dir }) => ({ kind: 'directory', id: row.id, dir, source: dir }) as const);
    for (const { protocol, tasks } of scores) {
      const out = join(options.out, 'results', `seed-${seed}`);
      const results = await evaluate({ ...options, models, tasks, out, protocol, seeds: [0], rerun: 'missing' });
      for (const { model, task, primary, metrics } of results) {
        const value = metrics[primary]!.value;
        const run = own.find(({ row }) => row.id === model.id)!;
        if (value !== null) columns.get(run)![`${task.id} ${protocol.split('/')[0]}`] = value;
      }
    }
  }
  return runs.map((run) => ({ ...run, scores: columns.get(run)! }));
}
