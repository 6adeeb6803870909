/** One part of a run (the whole of it, or a stage): prepare the input, build the model, train it, keep its network. */
import {
  CheckpointError,
  ConfigError,
  createRng,
  learnerOf,
  type Backbone,
  type BuildContext,
  type InputSpec,
  type ModelConfig,
} from '@unlabel/core';
import { countParams, mergeParams, optimizerFor, tf, trainableOf } from '@unlabel/engine';
import { readJson, writeJsonAtomic } from '@unlabel/formats';
import { loadSharp } from '@unlabel/image';
import { loadModelDir, saveModelDir } from '@unlabel/zoo';
import { isModelDir, readModelConfig } from '@unlabel/zoo/files';
import type { Display } from '../display/display.ts';
import { writeLossCurve } from '../pictures/curves.ts';
import { readLog, truncateLog, type RunDir } from '../run-dir.ts';
import { createForgettingCurve } from './forgetting.ts';
import type { GivenNetwork } from './given.ts';
import { atSpeeds, sawUnlabelled, type Item } from './items.ts';
import type { Meter } from './meter.ts';
import { rngOf, type Part, type Plan } from './plan.ts';
import { createProbeCurve } from './probe-curve.ts';
import { stepsOf } from './recipe.ts';
import type { PretrainRequest } from './run.ts';
import type { Normalization } from './source.ts';
import { buildCache } from './spectrogram-cache.ts';
import { measureNormalization } from './statistics.ts';
import { train, type TrainSummary } from './trainer.ts';
import { readTrainingArrays, restoreTraining } from './training-state.ts';
import type { ViewWorkerData } from './view-rows.ts';

/** A stage that is done, and where it lies. */
export interface FinishedPart {
  readonly part: Part & { readonly stage: string };
  readonly run: RunDir;
}

export interface PartInputs {
  /** Where this part writes; `root` is the whole run's, with the cache that parts share. */
  readonly run: RunDir;
  readonly root: RunDir;
  readonly request: PretrainRequest;
  readonly plan: Plan;
  readonly part: Part;
  readonly items: readonly Item[];
  readonly earlier: readonly FinishedPart[];
  /** What `--from` names. */
  readonly given: GivenNetwork | undefined;
}

/** Train one part, or go on with it, or find that it is done: `summary.json` is the last thing it writes. */
export async function trainPart(inputs: PartInputs): Promise<TrainSummary> {
  const { run, root, request, part } = inputs;
  const { method, config, recipe, stage } = part;
  const { display, seed, workers } = request;
  const finished = (await readJson(run.file('summary.json')).catch(() => undefined)) as TrainSummary | undefined;
  if (finished && isModelDir(run.file('model'))) {
    display.line(`${method.id}: ${finished.steps} steps are done`);
    return { ...finished, waitingShare: 0 };
  }
  const steps = stepsOf(recipe, inputs.items.length);
  const input = method.input(config);
  // sharp asks for this: a library that only worker threads have loaded goes when they end, with its own threads still in it
  if (input.modality !== 'audio') await loadSharp();
  const items = itemsOf(inputs, part);
  const { normalization, cache } = await prepareInput({ run, root, items, input, workers, display });
  const rng = rngOf(seed, stage);
  const context = await buildContext(inputs);
  const model = method.build(config, { rng: rng.fork('model'), ...context });
  if (context.backbone && learnerOf(model) !== context.backbone)
    throw new ConfigError(
      `${method.id} trains a network of its own and cannot start from another (it does not use networkOf); --from ${inputs.given!.id} is for methods that do.`,
    );
  const optimizer = optimizerFor(recipe, model.trainable);
  const describe = (done: number): ModelConfig => ({
    schema: 1,
    method: method.id,
    methodConfig: config,
    backbone: { id: model.backbone.id, config: { ...model.backbone.config } },
    input: { ...input },
    normalization: normalization ?? null,
    training: { seed, steps: done, items: inputs.items.length, sawUnlabelled: heardOf(inputs) },
  });
  const keep = (name: string, done: number): Promise<void> =>
    saveModelDir(run.file(name), model.backbone, describe(done));
  try {
    if (!isModelDir(run.file('model-init'))) await keep('model-init', 0);
    const resumed = await restoreTraining(run, model, optimizer);
    await truncateLog(run.file('log.jsonl'), resumed?.step ?? 0);
    display.line(
      `${countParams(trainableOf(mergeParams(model.trainable))).toLocaleString('en')} trainable parameters` +
        (resumed ? `; going on after step ${resumed.step}` : ''),
    );
    const meters = await metersOf(inputs, { steps, backbone: model.backbone, config: describe(steps) });
    if ((resumed?.step ?? 0) === 0) for (const meter of meters) await meter.at(0);
    const data = workerDataOf(inputs, part, normalization, cache);
    const summary =
      steps === 0 || resumed?.step === steps
        ? { steps, seconds: resumed?.seconds ?? 0, waitingShare: 0, finalLoss: await lastLoss(run) }
        : await train({
            method,
            model,
            optimizer,
            recipe,
            data,
            run,
            display,
            rng,
            resumed,
            steps,
            workers,
            checkpointSeconds: request.checkpointSeconds,
            onProgress: async (step) => {
              for (const meter of meters) await meter.at(step);
            },
          });
    for (const meter of meters) await meter.finish();
    await keep('model', steps);
    await writeLossCurve(run.file('loss.svg'), await readLog(run.file('log.jsonl')), method.id);
    const { finalLoss } = summary;
    await writeJsonAtomic(run.file('summary.json'), {
      ...summary,
      finalLoss: Number.isFinite(finalLoss) ? finalLoss : null,
    });
    return summary;
  } finally {
    optimizer.dispose();
    tf.dispose([...new Set([...model.trainable.values(), ...model.state.values()])]);
    for (const backbone of Object.values(context.upstream ?? {})) tf.dispose([...backbone.params.values()]);
  }
}

/** What is measured along the way: a probe score, and the losses of earlier stages. */
async function metersOf(
  inputs: PartInputs,
  now: { readonly steps: number; readonly backbone: Backbone; readonly config: ModelConfig },
): Promise<Meter[]> {
  const { run, request, part, earlier } = inputs;
  const { display, probe } = request;
  const tenth = Math.max(1, Math.round(now.steps / 10));
  const meters: Meter[] = [];
  if (probe && now.steps > 0) {
    const everySteps = probe.everySteps ?? tenth;
    meters.push(await createProbeCurve({ taskDir: probe.taskDir, everySteps, run, display, ...now }));
  }
  const watched = part.watch
    .map(({ stage, method }) => ({ method, finished: earlier.find((one) => one.part.stage === stage)! }))
    .filter(({ finished }) => finished.part.recipe.steps !== 0); // what took no step has learned nothing to forget
  if (watched.length > 0) {
    const dataOf = async ({ part: before, run: at }: FinishedPart): Promise<ViewWorkerData> => {
      const { normalization } = await readModelConfig(at.file('model'));
      return workerDataOf(inputs, before, normalization ?? undefined, undefined);
    };
    meters.push(
      await createForgettingCurve({
        watched,
        dataOf,
        everySteps: tenth,
        run,
        display,
        workers: request.workers,
        ...now,
      }),
    );
  }
  return meters;
}

/** What a part trains on: the files, and these at the speeds of its recipe. */
const itemsOf = ({ items, request }: PartInputs, { recipe }: Part): readonly Item[] =>
  atSpeeds(items, recipe.varispeed, createRng(request.seed).fork('varispeed'));

const workerDataOf = (
  inputs: PartInputs,
  part: Part,
  normalization: Normalization | undefined,
  cache: ViewWorkerData['cache'],
): ViewWorkerData => ({
  method: inputs.request.method,
  config: inputs.plan.config,
  stage: part.stage === undefined ? undefined : { id: part.stage, config: part.config },
  seed: inputs.request.seed,
  items: itemsOf(inputs, part),
  normalization,
  cache,
});

const lastLoss = async (run: RunDir): Promise<number> =>
  (await readLog(run.file('log.jsonl'))).at(-1)?.['loss'] ?? Number.NaN;

/** Tasks whose clips were heard, by the network that the run began with too. */
const heardOf = ({ items, given }: PartInputs): string[] =>
  [...new Set([...sawUnlabelled(items), ...(given?.sawUnlabelled ?? [])])].sort();

/** What earlier stages hand on: frozen networks and whole states; and the given network for the first. */
async function buildContext({ part, plan, earlier, given }: PartInputs): Promise<Omit<BuildContext, 'rng'>> {
  const runOf = (id: string): RunDir => earlier.find((one) => one.part.stage === id)!.run;
  const upstream: Record<string, Backbone> = {};
  for (const id of part.upstream) {
    const dir = id === plan.replaced ? given!.dir : runOf(id).file('model');
    const { backbone } = await loadModelDir(dir).catch((cause: unknown) => {
      throw new CheckpointError(`stage ${part.stage} cannot load the network of stage ${id}.`, { cause });
    });
    for (const variable of backbone.params.values()) variable.trainable = false;
    upstream[id] = backbone;
  }
  const upstreamState: Record<string, Awaited<ReturnType<typeof readTrainingArrays>>> = {};
  for (const id of part.state) upstreamState[id] = await readTrainingArrays(runOf(id));
  const isStart = given !== undefined && plan.replaced === undefined && part === plan.parts[0];
  return {
    ...(isStart && { backbone: (await loadModelDir(given.dir)).backbone }),
    ...(part.upstream.length > 0 && { upstream }),
    ...(part.state.length > 0 && { upstreamState }),
  };
}

interface InputRequest {
  readonly run: RunDir;
  readonly root: RunDir;
  readonly items: readonly Item[];
  readonly input: InputSpec;
  readonly workers: number;
  readonly display: Display;
}

/** The spectrogram cache and the data set's statistics, where the method asks for them. */
async function prepareInput({
  run,
  root,
  items,
  input,
  workers,
  display,
}: InputRequest): Promise<{ normalization: Normalization | undefined; cache: ViewWorkerData['cache'] }> {
  if (input.image) {
    if (input.image.cacheSide === undefined) return { cache: undefined, normalization: undefined };
    const progress = display.task('decode', items.length, 'images');
    const { entries } = await buildCache(root.file('cache'), items, input, workers, progress);
    progress.finish(`shorter side at most ${input.image.cacheSide} pixels`);
    return { cache: entries, normalization: undefined };
  }
  const fixed = typeof input.normalize === 'object' ? input.normalize : undefined;
  if (input.crop === 'spectrogram' && input.frontEnd) {
    const progress = display.task('front-end', items.length, 'recordings');
    const { entries, statistics } = await buildCache(root.file('cache'), items, input, workers, progress);
    progress.finish(`mean ${statistics.mean.toFixed(3)}, deviation ${statistics.std.toFixed(3)}`);
    return { cache: entries, normalization: input.normalize === 'dataset' ? statistics : fixed };
  }
  if (input.normalize !== 'dataset') return { cache: undefined, normalization: fixed };
  const file = run.file('statistics.json');
  const held = (await readJson(file).catch(() => undefined)) as Normalization | undefined;
  const normalization = held ?? (await measureNormalization(items, input, display));
  if (!held) await writeJsonAtomic(file, normalization);
  return { cache: undefined, normalization };
}
