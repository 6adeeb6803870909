/**
 * Models × tasks: embed what is not embedded yet, probe what has no result yet, in worker processes. Every finished piece is on
 * disk before the next begins, so the same command goes on where it was stopped, and ends with the same numbers.
 */
import { ConfigError, DataError, messageOf, type CropPolicy, type Fold, type Result } from '@unlabel/core';
import type { EngineOptions } from '@unlabel/engine';
import { foldsOf, type OpenedTask } from '@unlabel/tasks';
import { isDetectionProtocol, isDivisible } from '@unlabel/probes';
import type { Display, Progress } from '../display/display.ts';
import { commandLine, Interrupted, watchInterrupt } from '../interrupt.ts';
import { describeModel, type ModelDescription } from '../models/describe.ts';
import { checkFeatures } from '../models/features.ts';
import type { ModelRef } from '../models/resolve.ts';
import { planTask, storeOf, type TaskPlan } from './clips.ts';
import { checkDetects, dataHash, type DetectJob } from './detect-job.ts';
import { createPool, type Pool } from './pool.ts';
import type { EmbedImagesJob } from './embed-images.ts';
import type { EmbedJob } from './embed-job.ts';
import { checkProbe, cropOf, type ProbeJob } from './probe-job.ts';
import { heldResult, readResult, resultFile, type Rerun } from './result-file.ts';
import { committedClips, type Shard } from './store.ts';

export interface EvaluateOptions {
  readonly models: readonly ModelRef[];
  readonly tasks: readonly OpenedTask[];
  /** Directory of `results/`. */
  readonly out: string;
  /** Directory of `embeddings/`, `audio/` and `hashes/`; default `out`. */
  readonly cache?: string | undefined;
  readonly protocol: string;
  /** Of the probe; one result each. */
  readonly seeds: readonly number[];
  /** Numbers of the folds to use; the result is partial. */
  readonly folds?: readonly number[] | undefined;
  /** First clips of each split to use; the result is partial. */
  readonly limit?: number | undefined;
  /** Bytes that all workers together may take for audio and activations; default half of what is free. */
  readonly memory: number;
  readonly rerun: Rerun;
  readonly workers: number;
  readonly engine: EngineOptions;
  readonly display: Display;
}

/** Everything to do before anything is done. */
export interface Plan {
  readonly cache: string;
  readonly pairs: readonly Pair[];
}

export interface Pair {
  readonly model: ModelDescription;
  readonly task: OpenedTask;
  /** Absent for a model that hears nothing. */
  readonly plan: TaskPlan | undefined;
  readonly store: string;
  readonly results: readonly { readonly seed: number; readonly file: string; readonly held: Result | undefined }[];
}

const hears = ({ ref }: ModelDescription): boolean => ref.kind !== 'chance';

/** Whether a model takes what a task has; one that looks at labels alone takes all. */
const takes = ({ modality }: ModelDescription, task: OpenedTask): boolean =>
  modality === undefined || modality === (task.modality ?? 'audio');

const cropFor = (task: OpenedTask, protocol: string): CropPolicy | undefined =>
  task.modality === 'image' ? cropOf(protocol) : undefined;

/** @throws ConfigError for a model that none of the tasks is for */
function refuseIdle(models: readonly ModelDescription[], tasks: readonly OpenedTask[]): void {
  const idle = models.find((model) => !tasks.some((task) => takes(model, task)));
  if (idle) {
    const [own, others] = idle.modality === 'image' ? ['images', 'sounds'] : ['sounds', 'images'];
    throw new ConfigError(
      `${idle.id}: takes ${own}; the tasks (${tasks.map(({ id }) => id).join(', ')}) are of ${others}.`,
    );
  }
}

/** The folds of a task that are used. */
export const usedFolds = (task: OpenedTask, folds: readonly number[] | undefined): Fold[] => {
  const all = foldsOf(task);
  return folds ? folds.map((i) => all[i]!) : all;
};

export async function evaluate(options: EvaluateOptions): Promise<Result[]> {
  const { display } = options;
  const pool = createPool(options.workers, options.engine);
  let stop: (reason: Interrupted) => void = () => {};
  const stopped = new Promise<never>((_resolve, reject) => (stop = reject));
  stopped.catch(() => {}); // when everything ends first, nobody waits for it
  const interrupt = watchInterrupt(() => {
    display.line('stopping; finished pieces are kept');
    pool.close();
    stop(new Interrupted(`stopped. To go on: ${commandLine()}`));
  });
  try {
    return await Promise.race([stopped, planAll(options).then((plan) => runAll(options, plan, pool))]);
  } finally {
    interrupt.release();
    pool.close();
  }
}

/** Describes the models, hashes the clips, finds the results that are there. */
export async function planAll(options: EvaluateOptions): Promise<Plan> {
  const { display, tasks, folds, limit } = options;
  const cache = options.cache ?? options.out;
  for (const task of tasks) checkProbe(task, options.protocol, folds);
  const models = await Promise.all(options.models.map((model) => describeModel(model)));
  for (const model of models) checkDetects(model, options.protocol);
  refuseIdle(models, tasks);
  const rates = [...new Set(models.filter(hears).map(({ sampleRate }) => sampleRate))];
  const hashing = display.task('read tasks', tasks.length * Math.max(1, rates.length), 'tasks');
  const plans = new Map<string, TaskPlan>();
  let read = 0;
  for (const task of tasks) {
    for (const sampleRate of rates.filter((rate) => (rate === 0) === (task.modality === 'image'))) {
      plans.set(
        `${task.dir}@${sampleRate}`,
        await planTask(task, { sampleRate, folds: usedFolds(task, folds), limit, cache }),
      );
      hashing.update(++read, task.id);
    }
  }
  hashing.finish(`${tasks.length} tasks`);
  const pairs: Pair[] = [];
  for (const model of models) {
    for (const task of tasks.filter((one) => takes(model, one))) {
      const kind = task.metadata.embedding_type;
      const results = [];
      for (const seed of options.seeds) {
        const file = resultFile({ ...options, seed }, model, task);
        results.push({ seed, file, held: await heldResult(file, options.rerun, model, task, display) });
      }
      const plan = hears(model) ? plans.get(`${task.dir}@${model.sampleRate}`) : undefined;
      if (model.ref.kind === 'features')
        await checkFeatures(model.ref, plan?.splits.flatMap(({ clips }) => clips) ?? []);
      pairs.push({
        model,
        task,
        plan,
        store: storeOf(cache, model, kind, options.engine.precision, cropFor(task, options.protocol)),
        results,
      });
    }
  }
  return { cache, pairs };
}

/** One shard to embed for a model, and how many of its clips are missing. */
export interface ShardWork {
  readonly store: string;
  readonly shard: Shard;
  readonly wanted: number;
  readonly missing: number;
}

/** What is to be embedded for a pair whose results are not all there. */
export async function missingShards({ plan, store, results }: Pair, protocol: string): Promise<ShardWork[]> {
  if (!plan || isDetectionProtocol(protocol) || results.every(({ held }) => held)) return [];
  const work: ShardWork[] = [];
  for (const { shards } of plan.splits) {
    for (const { wanted, ...shard } of shards) {
      const missing = wanted - (await committedClips(store, shard));
      if (missing > 0) work.push({ store, shard, wanted, missing });
    }
  }
  return work;
}

async function runAll(options: EvaluateOptions, { cache, pairs }: Plan, pool: Pool): Promise<Result[]> {
  const { display } = options;
  const works = await Promise.all(pairs.map((pair) => missingShards(pair, options.protocol)));
  const embedding = embedAll(options, cache, pool, works);
  const open = pairs.flatMap(({ results }) => results).filter(({ held }) => !held).length;
  const probing = display.task('probe', open, 'results');
  let probed = 0;
  const failures: unknown[] = [];
  const done = await Promise.all(
    pairs.map(async (pair, i): Promise<(Result | undefined)[]> => {
      try {
        await Promise.all(works[i]!.map((work) => embedding(pair, work)));
      } catch (error) {
        failures.push(error);
        return pair.results.map(({ held }) => held);
      }
      return Promise.all(
        pair.results.map(async ({ seed, file, held }) => {
          if (held) return held;
          try {
            const job = isDetectionProtocol(options.protocol)
              ? detectJob(options, pair, seed, file)
              : probeJob(options, pair, seed, file);
            const report = (note: number | string): void => {
              if (typeof note === 'string') probing.update(probed, `${pair.model.id} on ${pair.task.id}: ${note}`);
            };
            if (job.kind === 'probe') await shareOut(options, pool, job, Math.floor(options.workers / open), report);
            await pool.run(job, true, report);
            probing.update(++probed, `${pair.model.id} on ${pair.task.id}`);
            return await readResult(file);
          } catch (error) {
            failures.push(error);
            return undefined;
          }
        }),
      );
    }),
  );
  probing.finish(`${probed} new, ${pairs.flatMap(({ results }) => results).length - open} kept`);
  if (failures.length > 0) throw failureOf(failures);
  return done.flat().filter((result) => result !== undefined);
}

/** With workers to spare, a probe that can be divided is made in shares first; the job then finds them in its journal. */
async function shareOut(
  { protocol }: EvaluateOptions,
  pool: Pool,
  job: ProbeJob,
  of: number,
  report: (note: number | string) => void,
): Promise<void> {
  if (of < 2 || job.shards.length === 0 || !isDivisible(protocol)) return;
  for (const stage of ['search', 'folds'] as const) {
    const shares = Array.from({ length: of }, (_, index) => ({ index, of, stage }));
    await Promise.all(shares.map((share) => pool.run({ ...job, share }, true, report)));
  }
}

/** One error for all that failed; the rest has been done. */
function failureOf(failures: readonly unknown[]): unknown {
  const messages = [...new Set(failures.map(messageOf))];
  if (messages.length === 1) return failures[0];
  const text = `${messages.length} things failed; what is finished is kept, and the same command goes on.`;
  return failures.every((error) => error instanceof ConfigError)
    ? new ConfigError(text, { faults: messages })
    : new DataError(text, { faults: messages });
}

/** Each shard once, whichever tasks need it. */
function embedAll(
  options: EvaluateOptions,
  cache: string,
  pool: Pool,
  works: readonly (readonly ShardWork[])[],
): (pair: Pair, work: ShardWork) => Promise<unknown> {
  const most = new Map<string, ShardWork>();
  for (const work of works.flat()) {
    const key = `${work.store}/${work.shard.name}`;
    if ((most.get(key)?.wanted ?? 0) < work.wanted) most.set(key, work);
  }
  const total = [...most.values()].reduce((sum, { missing }) => sum + missing, 0);
  const progress: Progress | undefined = total > 0 ? options.display.task('embed', total, 'clips') : undefined;
  const pending = new Map<string, Promise<unknown>>();
  let embedded = 0;
  return ({ model, task }, { store, shard }) => {
    const key = `${store}/${shard.name}`;
    let job = pending.get(key);
    if (!job) {
      const memory = Math.max(1, Math.floor(options.memory / options.workers));
      const { wanted } = most.get(key)!;
      const output = task.metadata.embedding_type;
      const crop = cropFor(task, options.protocol);
      const shared = { model: model.ref, store, shard, wanted, memory };
      const embed: EmbedJob | EmbedImagesJob = crop
        ? { kind: 'embed-images', ...shared, crop }
        : { kind: 'embed', ...shared, output, cache };
      job = pool
        .run(embed, false, (clips) => {
          if (typeof clips === 'number') progress?.update((embedded += clips), model.id);
        })
        .then(() => {
          if (pending.size === most.size && embedded >= total) progress?.finish(`${total} clips`);
        });
      pending.set(key, job);
    }
    return job;
  };
}

const hashesOf = (plan: TaskPlan): (readonly [split: string, hashes: readonly string[]])[] =>
  plan.splits.map(({ split, clips, wanted }) => [split, clips.slice(0, wanted).map(({ hash }) => hash)] as const);

function detectJob(options: EvaluateOptions, { model, task, plan }: Pair, seed: number, file: string): DetectJob {
  const { limit, protocol } = options;
  const memory = Math.max(1, Math.floor(options.memory / options.workers));
  return {
    kind: 'detect',
    model,
    taskPath: task.dir,
    protocol,
    seed,
    limit,
    data: dataHash(hashesOf(plan!)),
    memory,
    file,
  };
}

function probeJob(options: EvaluateOptions, { model, task, plan, store }: Pair, seed: number, file: string): ProbeJob {
  const { folds, limit, protocol } = options;
  const clips = plan && hashesOf(plan);
  const labelsOnly = (): (readonly [string, readonly string[]])[] =>
    [...task.splits].map(([split, list]) => [split, list.slice(0, limit ?? list.length).map(() => '')]);
  return {
    kind: 'probe' as const,
    taskDir: task.dir,
    model,
    store,
    shards: plan?.splits.flatMap(({ shards }) => shards.map(({ name }) => name)) ?? [],
    splits: clips ?? labelsOnly(),
    protocol,
    seed,
    folds,
    limit,
    file,
  };
}
