/**
 * The table of Multi-SSL: single tasks, concatenation, joint, incremental in every order and with every distance, progressive columns,
 * beside an untrained network and a supervised one. Every row has the same number of steps in all, and every run is made once: what is
 * there is used again, and so is a first stage that several runs begin with.
 */
import { existsSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isPlainObject, mergeConfig } from '@unlabel/core';
import { isModelDir } from '@unlabel/zoo/files';
import { silentDisplay, type Display } from '../display/display.ts';
import { pretrain } from '../pretrain/run.ts';
import { readLog } from '../run-dir.ts';
import { createScorer, type SceneResult } from './score.ts';

export interface Row {
  /** `il contrastive a → b → c`, for tables. */
  readonly name: string;
  /** Folder of its runs. */
  readonly id: string;
  readonly stages: readonly string[];
  readonly kind: 'random' | 'supervised' | 'single' | 'concat' | 'joint' | 'il' | 'progressive';
  readonly overrides: Readonly<Record<string, unknown>>;
}

const distances = ['none', 'euclidean', 'contrastive'] as const;

/** All rows over `methods`; the untrained and the supervised network are those that the first method starts from. */
export function rowsOf(methods: readonly string[]): Row[] {
  const [first] = methods;
  const orders = permutations(methods);
  const arrow = (order: readonly string[]): string => order.join(' → ');
  const folder = (order: readonly string[]): string => order.map((id) => methods.indexOf(id)).join('');
  return [
    { name: 'random', id: 'random', kind: 'random', stages: [first!], overrides: {} },
    { name: 'supervised', id: 'supervised', kind: 'supervised', stages: [first!], overrides: {} },
    ...methods.map((id): Row => ({ name: id, id: `single-${id}`, kind: 'single', stages: [id], overrides: {} })),
    { name: 'concat', id: 'concat', kind: 'concat', stages: methods, overrides: { strategy: 'concat' } },
    ...(['fixed', 'uncertainty'] as const).map((weighting): Row => ({
      name: `joint, ${weighting} weights`,
      id: `joint-${weighting}`,
      kind: 'joint',
      stages: methods,
      overrides: { strategy: 'joint', weighting },
    })),
    ...orders.flatMap((order) =>
      distances.map((distance): Row => ({
        name: `il ${distance}: ${arrow(order)}`,
        id: `il-${distance}-${folder(order)}`,
        kind: 'il',
        stages: order,
        overrides: { strategy: 'il', distance },
      })),
    ),
    ...orders.map((order): Row => ({
      name: `progressive: ${arrow(order)}`,
      id: `progressive-${folder(order)}`,
      kind: 'progressive',
      stages: order,
      overrides: { strategy: 'progressive' },
    })),
  ];
}

function permutations(items: readonly string[]): string[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item) => permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]));
}

export interface StrategyRequest {
  readonly methods: readonly string[];
  readonly data: string;
  readonly preset: string;
  /** Fields of the combination, for every row. */
  readonly set: Readonly<Record<string, unknown>>;
  readonly seeds: readonly number[];
  /** Steps of a row in all; the supervised network's too. */
  readonly steps: number;
  /** Steps of a decoder on a frozen network. */
  readonly decoderSteps: number;
  readonly split: string;
  readonly out: string;
  readonly engine: Parameters<typeof pretrain>[0]['engine'];
  /** Only every `of`-th run, from `part` on: for several processes on one `out`. */
  readonly part: number;
  readonly of: number;
  readonly display: Display;
}

export interface StrategyResult {
  readonly row: Row;
  readonly seed: number;
  readonly result: SceneResult;
  /** Of `il`: by how much the loss of the earlier tasks rose after they were left, mean over them. */
  readonly forgetting?: number;
}

export async function runStrategies(request: StrategyRequest): Promise<StrategyResult[]> {
  const { seeds, part, of, display } = request;
  const rows = rowsOf(request.methods);
  const jobs = rows.flatMap((row) => seeds.map((seed) => ({ row, seed }))).filter((_, i) => i % of === part);
  const progress = display.task('strategies', jobs.length, 'runs');
  const score = createScorer();
  const results: StrategyResult[] = [];
  for (const job of jobs) {
    results.push(await runOne(job, request, score));
    progress.update(results.length, job.row.name);
  }
  progress.finish();
  return results;
}

async function runOne(
  { row, seed }: { row: Row; seed: number },
  request: StrategyRequest,
  score: ReturnType<typeof createScorer>,
): Promise<StrategyResult> {
  const { data, split, out } = request;
  const isSupervised = row.kind === 'supervised';
  const steps = isSupervised ? request.steps : request.decoderSteps;
  const start = row.kind === 'random' || isSupervised ? `single-${row.stages[0]}` : row.id;
  const dir = await trainedRun({ ...row, id: start }, seed, request);
  const model = join(dir, row.kind === 'random' || isSupervised ? 'model-init' : 'model');
  const result = await score({ dir: model, model: row.id, data, split, steps, isFineTuned: isSupervised, seed, out: join(out, 'results', `seed-${seed}`) }); // prettier-ignore
  const forgetting = row.kind === 'il' ? await forgettingOf(dir, row.stages) : undefined;
  return { row, seed, result, ...(forgetting !== undefined && { forgetting }) };
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
    workers: 0, // of hundreds of short stages on the same scenes
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
