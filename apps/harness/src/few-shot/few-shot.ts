/**
 * Models × tasks × episodes × classifiers: embed what is not embedded yet, run what has no result yet, in worker processes. The same
 * command goes on where it was stopped; a result is made once for its key.
 */
import { ConfigError, DataError, messageOf } from '@unlabel/core';
import type { EngineOptions } from '@unlabel/engine';
import { sha256 } from '@unlabel/formats';
import { checkShape, fewShotClassifiers } from '@unlabel/probes';
import { foldsOf, type OpenedTask } from '@unlabel/tasks';
import type { Display } from '../display/display.ts';
import { planTask, storeOf, type TaskPlan } from '../evaluate/clips.ts';
import { createPool, type Pool } from '../evaluate/pool.ts';
import type { Rerun } from '../evaluate/result-file.ts';
import { committedClips } from '../evaluate/store.ts';
import { commandLine, Interrupted, watchInterrupt } from '../interrupt.ts';
import { describeModel, type ModelDescription } from '../models/describe.ts';
import type { ModelRef } from '../models/resolve.ts';
import { classesOf, classSplit, type ClassChoice, type ClassClip } from './classes.ts';
import type { FewShotJob, FewShotRun } from './few-shot-job.ts';
import { heldResult, readResult, resultFile, type FewShotResult, type RunKey } from './result.ts';

export interface FewShotOptions {
  readonly models: readonly ModelRef[];
  readonly tasks: readonly OpenedTask[];
  readonly out: string;
  /** Directory of embeddings, resampled audio and hashes; `unlabel eval` shares it. */
  readonly cache: string;
  readonly ways: number;
  readonly shots: readonly number[];
  /** Of each number of shots. */
  readonly queries: (shots: number) => number;
  readonly episodes: number;
  readonly classifiers: readonly string[];
  readonly classes: ClassChoice;
  readonly seconds: number | null;
  readonly seed: number;
  readonly rerun: Rerun;
  readonly memory: number;
  readonly workers: number;
  readonly engine: EngineOptions;
  readonly display: Display;
}

export interface DoneRun {
  readonly file: string;
  readonly result: FewShotResult;
}

export async function fewShot(options: FewShotOptions): Promise<DoneRun[]> {
  const { display } = options;
  for (const shots of options.shots) checkShape({ ...options, shots, queries: options.queries(shots) });
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
    return await Promise.race([stopped, runAll(options, pool)]);
  } finally {
    interrupt.release();
    pool.close();
  }
}

interface Pair {
  readonly model: ModelDescription;
  readonly plan: TaskPlan;
  readonly store: string;
  readonly base: FewShotJob['base'];
  readonly runs: readonly (FewShotRun & { readonly held: FewShotResult | undefined })[];
}

async function planPairs(options: FewShotOptions): Promise<Pair[]> {
  const { display, tasks, seconds, engine, cache } = options;
  const models = await Promise.all(options.models.map((model) => describeModel(model)));
  const unheard = models.find(({ ref }) => ref.kind === 'chance');
  if (unheard) throw new ConfigError(`${unheard.id}: has no embeddings; chance is 1/ways.`);
  const plans = new Map<string, TaskPlan>();
  const reading = display.task('read tasks', tasks.length, 'tasks');
  const pairs: Pair[] = [];
  for (const [t, task] of tasks.entries()) {
    for (const model of models) {
      const { sampleRate } = model;
      const name = `${task.dir}@${sampleRate}`;
      let plan = plans.get(name);
      if (!plan) plans.set(name, (plan = await planTask(task, { sampleRate, folds: foldsOf(task), cache })));
      const kind = seconds === null ? 'scene' : `windows-${seconds}s`;
      pairs.push({
        model,
        plan,
        store: storeOf(cache, model, kind, engine.precision),
        ...(await planRuns(options, model, plan)),
      });
    }
    reading.update(t + 1, task.id);
  }
  reading.finish(`${tasks.length} tasks`);
  const [first] = options.shots;
  if (pairs.every(({ runs }) => runs.length === 0))
    throw new DataError(
      `no task has ${options.ways} classes with ${first! + options.queries(first!)} clips. Use fewer --ways or --queries, or --classes all.`,
    );
  return pairs;
}

/** Every wanted result of a model on a task. */
async function planRuns(
  options: FewShotOptions,
  model: ModelDescription,
  plan: TaskPlan,
): Promise<Pick<Pair, 'base' | 'runs'>> {
  const { task } = plan;
  const { seed, ways, episodes, seconds, display } = options;
  const classed = classesOf(plan);
  for (const note of classed.notes) display.warn(`${task.id}: ${note}`);
  const at = { dir: `${options.out}/class-splits`, task: task.id, revision: task.revision, seed };
  const split = await classSplit(options.classes, classed, at);
  const hashesOf = (name: string): readonly string[] => classed.clips.get(name)!.map(({ hash }: ClassClip) => hash);
  const base = split.train.map((name) => [name, hashesOf(name)] as const);
  const runs: Pair['runs'][number][] = [];
  for (const shots of options.shots) {
    const queries = options.queries(shots);
    const isRich = (name: string): boolean => hashesOf(name).length >= shots + queries;
    const left = split.test.filter((name) => !isRich(name));
    const classes = split.test.filter(isRich).map((name) => [name, hashesOf(name)] as const);
    if (left.length > 0)
      display.warn(
        `${task.id}: ${left.length} classes have fewer than ${shots} + ${queries} clips and are left out: ${left.slice(0, 8).join(', ')}`,
      );
    if (classes.length < ways) {
      display.warn(
        `${task.id}: ${ways} ways need ${ways} classes with ${shots + queries} clips; of ${split.test.length} tested classes (${split.about}) ${classes.length} have them. ` +
          `${shots}-shot is left out: use fewer --ways or --queries, or --classes all`,
      );
      continue;
    }
    const namesOf = (name: string): readonly string[] => classed.clips.get(name)!.map((clip) => clip.name);
    const identity = sha256(JSON.stringify([classes, base].map((list) => list.map(([name]) => [name, namesOf(name)]))));
    for (const classifier of options.classifiers) {
      const key: RunKey = {
        fingerprint: model.fingerprint, task: task.id, revision: task.revision, ways, shots, queries, episodes, classifier, seconds,
        classes: identity, seed, precision: options.engine.precision ?? 'float32',
      }; // prettier-ignore
      const file = resultFile(options.out, model, key);
      const held = options.rerun === 'always' ? undefined : await heldResult(file, key);
      runs.push({ key, file, classes, left, held });
    }
  }
  return { base, runs };
}

async function runAll(options: FewShotOptions, pool: Pool): Promise<DoneRun[]> {
  const { display } = options;
  const pairs = await planPairs(options);
  const embed = await embedder(options, pool, pairs);
  const open = pairs.flatMap(({ runs }) => runs).filter(({ held }) => !held).length;
  const progress = display.task('episodes', open, 'results');
  let done = 0;
  const failures: unknown[] = [];
  await Promise.all(
    pairs.map(async (pair) => {
      const { model, plan, store, base, runs } = pair;
      const missing = runs.filter(({ held }) => !held);
      if (missing.length === 0) return;
      try {
        await embed(pair);
        const shards = plan.splits.flatMap((split) => split.shards.map(({ name }) => name));
        const job: FewShotJob = {
          kind: 'few-shot', model, store, shards, base,
          runs: missing.map(({ key, file, classes, left }) => ({ key, file, classes, left })),
        }; // prettier-ignore
        await pool.run(job, true, () => progress.update(++done, `${model.id} on ${plan.task.id}`));
      } catch (error) {
        failures.push(error);
      }
    }),
  );
  progress.finish(`${done} new, ${pairs.flatMap(({ runs }) => runs).length - open} kept`);
  if (failures.length > 0) {
    const messages = [...new Set(failures.map(messageOf))];
    if (messages.length === 1) throw failures[0];
    throw new DataError(`${messages.length} things failed; what is finished is kept.`, { faults: messages });
  }
  return Promise.all(
    pairs.flatMap(({ runs }) =>
      runs.map(async ({ file, held }) => ({ file, result: held ?? (await readResult(file)) })),
    ),
  );
}

/** Embeds what a pair lacks; each shard once, whichever pairs need it. */
async function embedder(
  options: FewShotOptions,
  pool: Pool,
  pairs: readonly Pair[],
): Promise<(pair: Pair) => Promise<void>> {
  const { seconds, cache, workers, display } = options;
  const memory = Math.max(1, Math.floor(options.memory / workers));
  const lacking = new Map<string, number>();
  for (const { plan, store, runs } of pairs) {
    if (runs.every(({ held }) => held)) continue;
    for (const { shards } of plan.splits) {
      for (const shard of shards) {
        const missing = shard.clips.length - (await committedClips(store, shard));
        if (missing > 0) lacking.set(`${store}/${shard.name}`, missing);
      }
    }
  }
  const total = [...lacking.values()].reduce((sum, n) => sum + n, 0);
  const progress = total > 0 ? display.task('embed', total, 'clips') : undefined;
  let embedded = 0;
  const pending = new Map<string, Promise<unknown>>();
  return async ({ model, plan, store }) => {
    const output = seconds === null ? ('scene' as const) : ('windows' as const);
    const jobs = plan.splits.flatMap((split) => split.shards).filter(({ name }) => lacking.has(`${store}/${name}`));
    await Promise.all(
      jobs.map((shard) => {
        const name = `${store}/${shard.name}`;
        let job = pending.get(name);
        if (!job) {
          const wanted = shard.clips.length;
          const windows = seconds === null ? {} : { windowSeconds: seconds };
          job = pool.run(
            { kind: 'embed', model: model.ref, store, shard, wanted, output, ...windows, cache, memory },
            false,
            (clips) => {
              if (typeof clips === 'number') progress?.update((embedded += clips), model.id);
              if (embedded >= total) progress?.finish(`${total} clips`);
            },
          );
          pending.set(name, job);
        }
        return job;
      }),
    );
  };
}

/** @throws ConfigError naming the classifiers there are */
export function checkClassifiers(ids: readonly string[]): void {
  for (const id of ids) {
    if (!Object.hasOwn(fewShotClassifiers, id))
      throw new ConfigError(`--classifiers ${id}: expected of ${Object.keys(fewShotClassifiers).join(', ')}`);
  }
}
