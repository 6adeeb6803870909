/**
 * The table of Multi-SSL: single tasks, concatenation, joint, incremental in every order and with every distance, progressive columns,
 * beside an untrained network and, on scenes, a supervised one. Every row has the same number of steps in all, and every run is made
 * once: what is there is used again, and so is a first stage that several runs begin with.
 */
import { existsSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isPlainObject, mergeConfig } from '@unlabel/core';
import { isModelDir } from '@unlabel/zoo/files';
import { silentDisplay, type Display } from '../display/display.ts';
import { pretrain } from '../pretrain/run.ts';
import { readLog } from '../run-dir.ts';
import { sceneColumns } from './run.ts';
import { createScorer } from './score.ts';
import type { Row } from './strategies-rows.ts';

export interface StrategyRequest {
  readonly rows: readonly Row[];
  readonly data: string;
  readonly preset: string;
  /** Fields of the combination, for every row. */
  readonly set: Readonly<Record<string, unknown>>;
  readonly seeds: readonly number[];
  /** Steps of a row in all; the supervised network's too. */
  readonly steps: number;
  readonly out: string;
  readonly engine: Parameters<typeof pretrain>[0]['engine'];
  /** Threads that make views; 0 for scenes, which one thread keeps over hundreds of short stages. */
  readonly workers: number;
  /** Only every `of`-th run, from `part` on: for several processes on one `out`. */
  readonly part: number;
  readonly of: number;
  readonly display: Display;
}

/** A row of one seed: where its network lies, before and after its scores are known. */
export interface StrategyRun {
  readonly row: Row;
  readonly seed: number;
  /** Model folder. */
  readonly dir: string;
  /** Of `il`: by how much the loss of the earlier tasks rose after they were left, mean over them. */
  readonly forgetting?: number;
}

/** By column. */
export type Scores = Readonly<Record<string, number>>;

export interface StrategyResult extends StrategyRun {
  readonly scores: Scores;
}

/** Trains what is not there; `scored` gets every run as it is done. */
export async function runStrategies<Result>(
  request: StrategyRequest,
  scored: (run: StrategyRun) => Promise<Result>,
): Promise<Result[]> {
  const { rows, seeds, part, of, out, display } = request;
  const jobs = rows.flatMap((row) => seeds.map((seed) => ({ row, seed }))).filter((_, i) => i % of === part);
  const progress = display.task('strategies', jobs.length, 'runs');
  const results: Result[] = [];
  for (const { row, seed } of jobs) {
    const isUntrained = row.kind === 'random' || row.kind === 'supervised';
    const run = await trainedRun(isUntrained ? { ...row, id: `single-${row.stages[0]}` } : row, seed, request);
    const forgetting = row.kind === 'il' ? await forgettingOf(run, row.stages) : undefined;
    const dir = join(run, isUntrained ? 'model-init' : 'model');
    results.push(await scored({ row, seed, dir, ...(forgetting !== undefined && { forgetting }) }));
    progress.update(results.length, row.name);
  }
  progress.finish(`in ${out}`);
  return results;
}

/** What scenes are asked, as `unlabel scenes` does. */
export function sceneScorer(options: {
  readonly data: string;
  readonly split: string;
  /** Of a decoder on a frozen network, and of one that is trained along. */
  readonly decoderSteps: number;
  readonly steps: number;
  readonly out: string;
}): (run: StrategyRun) => Promise<StrategyResult> {
  const { data, split, out } = options;
  const score = createScorer();
  return async (run) => {
    const { row, seed, dir } = run;
    const isFineTuned = row.kind === 'supervised';
    const steps = isFineTuned ? options.steps : options.decoderSteps;
    const result = await score({ dir, model: row.id, data, split, steps, isFineTuned, seed, out: join(out, 'results', `seed-${seed}`) }); // prettier-ignore
    return { ...run, scores: Object.fromEntries(sceneColumns.map(({ name, valueOf }) => [name, valueOf(result)])) };
  };
}

/** The run of a row, trained here unless it is there. */
async function trainedRun(row: Row, seed: number, request: StrategyRequest): Promise<string> {
  const { data, preset, steps, engine, out } = request;
  const dir = join(out, 'runs', `seed-${seed}`, row.id);
  if (isModelDir(join(dir, 'model')) && existsSync(join(dir, 'summary.json'))) return dir;
  const isMulti = row.stages.length > 1;
  const isStaged = isMulti && row.kind !== 'joint';
  const shared = join(out, 'runs', `seed-${seed}`, 'first');
  const reused = row.kind === 'concat' ? row.stages : isStaged ? row.stages.slice(0, 1) : [];
  for (const stage of reused) await copyOnce(join(shared, stage), join(dir, 'stages', stage));
  await pretrain({
    method: isMulti ? `multi:${row.stages.join(',')}` : row.stages[0]!,
    preset,
    overrides: mergeConfig(isMulti ? request.set : ownPart(request.set, row.stages[0]!), row.overrides, {
      recipe: { steps: Math.round(isStaged ? steps / row.stages.length : steps) },
    }),
    data: [data],
    seed,
    out: dir,
    engine,
    workers: request.workers,
    checkpointSeconds: 60,
    display: silentDisplay,
  });
  for (const stage of reused) await copyOnce(join(dir, 'stages', stage), join(shared, stage));
  return dir;
}

/** What fields of a combination say to one of its methods, trained by itself. */
function ownPart(set: Readonly<Record<string, unknown>>, method: string): Record<string, unknown> {
  const parts = isPlainObject(set['parts']) ? set['parts'] : {};
  const { config = {}, recipe = {} } = (parts[method] ?? {}) as { config?: object; recipe?: object };
  return mergeConfig({ ...config }, { recipe: set['recipe'] ?? {} }, { recipe });
}

/** A finished stage at another place, whole or not at all. */
async function copyOnce(from: string, to: string): Promise<void> {
  if (!existsSync(join(from, 'summary.json')) || existsSync(to)) return;
  const temporary = `${to}.${process.pid}`;
  await mkdir(join(to, '..'), { recursive: true });
  await cp(from, temporary, { recursive: true });
  await rename(temporary, to).catch(() => rm(temporary, { recursive: true })); // another process was first
}

async function forgettingOf(dir: string, stages: readonly string[]): Promise<number> {
  const logs = await Promise.all(
    stages.slice(1).map((stage) => readLog(join(dir, 'stages', stage, 'forgetting.jsonl'))),
  );
  const rises = stages.slice(0, -1).map((stage, i) => logs.at(-1)!.at(-1)![stage]! - logs[i]![0]![stage]!);
  return rises.reduce((sum, rise) => sum + rise, 0) / rises.length;
}
