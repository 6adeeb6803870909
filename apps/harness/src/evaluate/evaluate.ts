/**
 * Models × tasks: embed what is not embedded yet, probe what has no result yet, in worker processes. Every finished piece is on
 * disk before the next begins, so the same command goes on where it was stopped, and ends with the same numbers.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfig, resultSchema, type Result, type Task } from '@unlabel/core';
import type { EngineOptions } from '@unlabel/engine';
import { readJson } from '@unlabel/formats';
import type { Display } from '../display/display.ts';
import { commandLine, Interrupted, watchInterrupt } from '../interrupt.ts';
import { describeModel, type ModelDescription } from '../models/describe.ts';
import type { ModelRef } from '../models/resolve.ts';
import { hashClips, shortFingerprint, storeOf, type TaskClips } from './clips.ts';
import { createPool, type Pool } from './pool.ts';
import { hasShard, type Shard } from './store.ts';

export interface EvaluateOptions {
  readonly models: readonly ModelRef[];
  readonly tasks: readonly Task[];
  /** Directory of `results/` and `embeddings/`. */
  readonly out: string;
  readonly protocol: string;
  readonly seed: number;
  readonly rerun: Rerun;
  readonly workers: number;
  readonly engine: EngineOptions;
  readonly display: Display;
}

/** What to do with a result that is there: keep it unless its inputs changed, keep it whatever, make it again. */
export const rerunModes = ['missing', 'never', 'always'] as const;
export type Rerun = (typeof rerunModes)[number];

export async function evaluate(options: EvaluateOptions): Promise<Result[]> {
  const { display, models, tasks } = options;
  const described = await Promise.all(models.map((model) => describeModel(model)));
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
    return await Promise.race([stopped, runAll(options, described, pool, tasks)]);
  } finally {
    interrupt.release();
    pool.close();
  }
}

async function runAll(
  options: EvaluateOptions,
  models: readonly ModelDescription[],
  pool: Pool,
  tasks: readonly Task[],
): Promise<Result[]> {
  const { display } = options;
  const clipsOf = new Map<string, Promise<TaskClips>>();
  const hashing = display.task('read tasks', tasks.length, 'tasks');
  let read = 0;
  const prepare = (task: Task, sampleRate: number): Promise<TaskClips> => {
    const key = `${task.dir}@${sampleRate}`;
    const held = clipsOf.get(key) ?? hashClips(task, sampleRate);
    clipsOf.set(key, held);
    return held;
  };
  for (const task of tasks) {
    await prepare(task, models.find((model) => model.sampleRate > 0)?.sampleRate ?? 16000);
    hashing.update(++read);
  }
  hashing.finish(`${tasks.length} tasks`);

  const pairs = models.flatMap((model) => tasks.map((task) => ({ model, task })));
  const wanted = await Promise.all(
    pairs.map(async (pair) => ({ ...pair, held: await heldResult(options, pair.model, pair.task) })),
  );
  const open = wanted.filter(({ held }) => !held);
  const plans = await Promise.all(
    open.map(async (pair) => ({ ...pair, plan: await prepare(pair.task, pair.model.sampleRate || 16000) })),
  );

  // Each shard once, whichever tasks need it.
  const pending = new Map<string, Promise<unknown>>();
  const total = new Set(
    plans.flatMap(({ model, plan }) =>
      model.ref.kind === 'chance'
        ? []
        : plan.shards
            .filter((s) => !hasShard(storeOf(options.out, model), s))
            .map((s) => `${model.fingerprint}/${s.name}`),
    ),
  ).size;
  const embedding = total > 0 ? display.task('embed', total, 'batches') : undefined;
  let embedded = 0;
  const embed = (model: ModelDescription, shard: Shard): Promise<unknown> => {
    const store = storeOf(options.out, model);
    const key = `${model.fingerprint}/${shard.name}`;
    if (hasShard(store, shard) && !pending.has(key)) return Promise.resolve();
    let job = pending.get(key);
    if (!job) {
      job = pool.run({ kind: 'embed', model: model.ref, store, shard }).then(() => {
        embedding?.update(++embedded, model.id);
        if (embedded === total) embedding?.finish(`${total} batches of up to 64 clips`);
      });
      pending.set(key, job);
    }
    return job;
  };

  const probing = display.task('probe', open.length, 'tasks');
  let probed = 0;
  const fresh = await Promise.all(
    plans.map(async ({ model, task, plan }) => {
      if (model.ref.kind !== 'chance') await Promise.all(plan.shards.map((shard) => embed(model, shard)));
      const file = resultFile(options, model, task);
      await pool.run(
        {
          kind: 'probe',
          taskDir: task.dir,
          model,
          store: storeOf(options.out, model),
          shards: model.ref.kind === 'chance' ? [] : plan.shards,
          clips: [...plan.clips].map(([key, { hash }]) => [key, hash]),
          protocol: options.protocol,
          seed: options.seed,
          file,
        },
        true,
      );
      probing.update(++probed, `${model.id} on ${task.id}`);
      return { model, task, result: await readResult(file) };
    }),
  );
  probing.finish(`${open.length} new, ${wanted.length - open.length} kept`);
  const all = [...wanted.flatMap(({ model, task, held }) => (held ? [{ model, task, result: held }] : [])), ...fresh];
  const position = ({ model, task }: (typeof all)[number]): number =>
    models.indexOf(model) * tasks.length + tasks.indexOf(task);
  return all.sort((a, b) => position(a) - position(b)).map(({ result }) => result);
}

function resultFile({ out, protocol, seed }: EvaluateOptions, model: ModelDescription, task: Task): string {
  return join(
    out,
    'results',
    model.id,
    shortFingerprint(model.fingerprint),
    `${task.id}.${protocol.replaceAll('/', '-')}.s${seed}.json`,
  );
}

async function readResult(file: string): Promise<Result> {
  return parseConfig(resultSchema, await readJson(file), file);
}

/** The result on disk, when it may be kept. A broken file is made again. */
async function heldResult(options: EvaluateOptions, model: ModelDescription, task: Task): Promise<Result | undefined> {
  const file = resultFile(options, model, task);
  if (options.rerun === 'always' || !existsSync(file)) return undefined;
  try {
    const result = resultSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    const isCurrent = result.task.revision === task.revision && result.model.fingerprint === model.fingerprint;
    const isWhole = existsSync(join(file, '..', result.predictions));
    return options.rerun === 'never' || (isCurrent && isWhole) ? result : undefined;
  } catch {
    options.display.warn(`${file} cannot be read; it is made again`);
    return undefined;
  }
}
