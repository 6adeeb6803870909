/** What `unlabel pretrain` does: resolve, open or resume the run directory, build the model, train, keep the network. */
import { rm } from 'node:fs/promises';
import {
  ConfigError,
  createRng,
  load,
  mergeConfig,
  parseOverrides,
  type InputSpec,
  type Method,
  type ModelConfig,
} from '@unlabel/core';
import {
  countParams,
  mergeParams,
  optimizerFor,
  tf,
  trainableOf,
  useEngine,
  type EngineInfo,
  type EngineOptions,
} from '@unlabel/engine';
import { readJson, writeJsonAtomic } from '@unlabel/formats';
import type { PretrainOptions } from '../commands/pretrain.ts';
import { createDisplay, type Display } from '../display/display.ts';
import { saveModelDir } from '@unlabel/zoo';
import { isModelDir } from '@unlabel/zoo/files';
import { engineOptionsOf, workersOf } from '../options.ts';
import { methods } from '../registry.ts';
import { lockDir, openRunDir, readLog, truncateLog, type RunDir } from '../run-dir.ts';
import { writeLossCurve } from '../pictures/curves.ts';
import { listItems, sawUnlabelled, type Item } from './items.ts';
import { resolveMethod, stepsOf } from './recipe.ts';
import { buildCache } from './spectrogram-cache.ts';
import type { Normalization } from './source.ts';
import { createProbeCurve } from './probe-curve.ts';
import { measureNormalization } from './statistics.ts';
import { train, type TrainSummary } from './trainer.ts';
import { restoreTraining } from './training-state.ts';
import type { ViewWorkerData } from './view-worker.ts';

export interface PretrainRequest {
  readonly method: string;
  readonly preset: string;
  readonly overrides: Readonly<Record<string, unknown>>;
  readonly data: readonly string[];
  readonly seed: number;
  readonly out: string;
  readonly engine: EngineOptions;
  readonly workers: number;
  readonly checkpointSeconds: number;
  readonly display: Display;
  /** Draw a probe curve on this task directory; a point every so many steps, by default a tenth of the run. */
  readonly probe?: { readonly taskDir: string; readonly everySteps?: number };
}

export interface PretrainOutcome extends TrainSummary {
  readonly engine: EngineInfo;
  readonly items: number;
}

export async function pretrain(request: PretrainRequest): Promise<PretrainOutcome> {
  const { display, seed } = request;
  const method = await load(methods, request.method, 'method');
  if (method.stages) throw new ConfigError(`${method.id} runs in stages, which this version cannot chain yet.`);
  if (method.betweenEpochs) {
    throw new ConfigError(`${method.id} works on the whole set between epochs, which this version cannot do yet.`);
  }
  const { config, recipe } = resolveMethod(method, request.preset, request.overrides);
  const { modality } = method.input(config);
  const items = await listItems(request.data, modality === 'image' ? 'image' : 'audio');
  const steps = stepsOf(recipe, items.length);
  if (items.length < 2) throw new ConfigError(`${items.length} item to train on; at least 2 are needed.`);
  const engine = await useEngine(request.engine);
  const unlock = await lockDir(request.out);
  try {
    const run = await openRunDir(request.out, {
      command: 'pretrain',
      method: method.id,
      preset: request.preset,
      config,
      recipe,
      data: { sources: request.data, items: items.length },
      seed,
      steps,
    });
    await checkEngine(run, engine);
    display.line(
      `${method.id}, preset ${request.preset}: ${steps} steps of ${recipe.batchSize} on ${items.length} ${modality === 'image' ? 'images' : 'recordings'}; ` +
        `engine ${engine.engine} ${engine.version} (${engine.reason}), ${engine.threads} threads; run directory ${run.path}`,
    );
    const outcome = await trainIn(run, { request, method, config, items, steps, recipe });
    return { ...outcome, engine, items: items.length };
  } finally {
    await unlock();
  }
}

/** A run goes on only on the engine that began it: another would not give the same bytes. */
async function checkEngine(run: RunDir, engine: EngineInfo): Promise<void> {
  const file = run.file('env.json');
  const held = (await readJson(file).catch(() => undefined)) as { engine?: string } | undefined;
  if (held?.engine !== undefined && held.engine !== engine.engine) {
    throw new ConfigError(
      `${run.path} was begun on the engine ${held.engine}, and this is ${engine.engine}. Use --engine ${held.engine}, or another --out.`,
    );
  }
  await writeJsonAtomic(file, { ...engine, platform: `${process.platform}-${process.arch}` });
}

interface TrainingInputs {
  readonly request: PretrainRequest;
  readonly method: Method;
  readonly config: Record<string, unknown>;
  readonly items: readonly Item[];
  readonly steps: number;
  readonly recipe: ReturnType<typeof resolveMethod>['recipe'];
}

async function trainIn(
  run: RunDir,
  { request, method, config, items, steps, recipe }: TrainingInputs,
): Promise<TrainSummary> {
  const { display, seed, workers } = request;
  const input = method.input(config);
  const { normalization, cache } = await prepareInput(run, items, input, workers, display);
  const model = method.build(config, { rng: createRng(seed).fork('model') });
  const optimizer = optimizerFor(recipe, model.trainable);
  const describe = (done: number): ModelConfig => ({
    schema: 1,
    method: method.id,
    methodConfig: config,
    backbone: { id: model.backbone.id, config: { ...model.backbone.config } },
    input: { ...input },
    normalization: normalization ?? null,
    training: { seed, steps: done, items: items.length, sawUnlabelled: sawUnlabelled(items) },
  });
  const keep = (name: string, done: number): Promise<void> =>
    saveModelDir(run.file(name), model.backbone, describe(done));
  if (!isModelDir(run.file('model-init'))) await keep('model-init', 0);
  const resumed = await restoreTraining(run, model, optimizer);
  const log = await truncateLog(run.file('log.jsonl'), resumed?.step ?? 0);
  display.line(
    `${countParams(trainableOf(mergeParams(model.trainable))).toLocaleString('en')} trainable parameters` +
      (resumed ? `; going on after step ${resumed.step}` : ''),
  );
  try {
    if (resumed?.step === steps && isModelDir(run.file('model'))) {
      return { steps, seconds: resumed.seconds, waitingShare: 0, finalLoss: log.at(-1)?.['loss'] ?? Number.NaN };
    }
    const curve =
      request.probe &&
      (await createProbeCurve({
        taskDir: request.probe.taskDir,
        everySteps: request.probe.everySteps ?? Math.max(1, Math.round(steps / 10)),
        steps,
        run,
        display,
        backbone: model.backbone,
        config: describe(steps),
      }));
    if (!resumed) await curve?.at(0);
    const data: ViewWorkerData = { method: method.id, config, seed, items, normalization, cache };
    const summary = await train({
      method,
      model,
      optimizer,
      recipe,
      data,
      run,
      display,
      firstStep: resumed?.step ?? 0,
      steps,
      workers,
      checkpointSeconds: request.checkpointSeconds,
      secondsBefore: resumed?.seconds ?? 0,
      ...(curve && { onProgress: (step: number) => curve.at(step) }),
    });
    await curve?.finish();
    await keep('model', steps);
    await writeJsonAtomic(run.file('summary.json'), { ...summary });
    await writeLossCurve(run.file('loss.svg'), await readLog(run.file('log.jsonl')), method.id);
    await rm(run.file('cache'), { recursive: true, force: true });
    return summary;
  } finally {
    optimizer.dispose();
    tf.dispose([...new Set([...model.trainable.values(), ...model.state.values()])]);
  }
}

/** The spectrogram cache and the data set's statistics, where the method asks for them. */
async function prepareInput(
  run: RunDir,
  items: readonly Item[],
  input: InputSpec,
  workers: number,
  display: Display,
): Promise<{ normalization: Normalization | undefined; cache: ViewWorkerData['cache'] }> {
  const fixed = typeof input.normalize === 'object' ? input.normalize : undefined;
  if (input.image) {
    if (input.image.cacheSide === undefined) return { cache: undefined, normalization: undefined };
    const progress = display.task('decode', items.length, 'images');
    const { entries } = await buildCache(run.file('cache'), items, input, workers, progress);
    progress.finish(`shorter side at most ${input.image.cacheSide} pixels`);
    return { cache: entries, normalization: undefined };
  }
  if (input.crop === 'spectrogram' && input.frontEnd) {
    const progress = display.task('front-end', items.length, 'recordings');
    const { entries, statistics } = await buildCache(run.file('cache'), items, input, workers, progress);
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

export async function runPretrain(method: string, options: PretrainOptions): Promise<void> {
  const checkpointSeconds = Number(options.checkpointEvery);
  if (!(checkpointSeconds > 0))
    throw new ConfigError(`--checkpoint-every ${options.checkpointEvery}: expected seconds > 0.`);
  const file = options.config === undefined ? {} : ((await readJson(options.config)) as Record<string, unknown>);
  const out = options.out ?? `out/${method}-${options.preset}`;
  const display = createDisplay(options.display);
  try {
    const { steps, seconds, waitingShare } = await pretrain({
      method,
      preset: options.preset,
      overrides: mergeConfig(file, parseOverrides(options.set ?? [])),
      data: options.data,
      seed: options.seed,
      out,
      engine: engineOptionsOf(options),
      workers: workersOf(options),
      checkpointSeconds,
      display,
      ...(options.probe !== undefined && {
        probe: { taskDir: options.probe, ...(options.probeEvery !== undefined && { everySteps: options.probeEvery }) },
      }),
    });
    process.stdout.write(
      `${method}: ${steps} steps in ${seconds.toFixed(1)} s, ${(100 * waitingShare).toFixed(1)} % of it waiting for data.\n` +
        `The network is in ${out}/model. Evaluate it: npx unlabel eval ${out} ${out}@init --tasks quickstart\n`,
    );
  } finally {
    display.close();
  }
}
