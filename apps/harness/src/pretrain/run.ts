/** What `unlabel pretrain` does: resolve, open or resume the run directory, train its parts one after the other, keep the network. */
import { cp, rename, rm } from 'node:fs/promises';
import { canonicalJson, ConfigError, mergeConfig, parseOverrides, type InputSpec } from '@unlabel/core';
import { useEngine, type EngineInfo, type EngineOptions } from '@unlabel/engine';
import { readJson, writeJsonAtomic } from '@unlabel/formats';
import type { PretrainOptions } from '../commands/pretrain.ts';
import { createDisplay, type Display } from '../display/display.ts';
import { isModelDir, readModelConfig } from '@unlabel/zoo/files';
import { engineOptionsOf, workersOf } from '../options.ts';
import { loadMethod } from '../load-method.ts';
import { lockDir, openRunDir, type RunDir } from '../run-dir.ts';
import { givenNetwork, type GivenNetwork } from './given.ts';
import { listItems, type Item, type ItemModality } from './items.ts';
import { writeForgetting } from './forgetting.ts';
import { trainPart, type FinishedPart } from './part.ts';
import { planOf, type Part, type Plan } from './plan.ts';
import { stepsOf } from './recipe.ts';
import type { TrainSummary } from './trainer.ts';

export interface PretrainRequest {
  /** An id of the registry, or a module whose default export is a method. */
  readonly method: string;
  readonly preset: string;
  readonly overrides: Readonly<Record<string, unknown>>;
  /** A trained network to begin with: a run, a model folder or a checkpoint of the zoo. */
  readonly from?: string;
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
  /** What it was trained on. */
  readonly modality: ItemModality;
}

export async function pretrain(request: PretrainRequest): Promise<PretrainOutcome> {
  const { display, seed } = request;
  const method = await loadMethod(request.method);
  const plan = planOf(method, request.preset, request.overrides, { isGiven: request.from !== undefined });
  const inputs = plan.parts.map((part) => part.method.input(part.config));
  const given = request.from === undefined ? undefined : await givenNetwork(request.from, method.id, inputs[0]!);
  const modality = itemModalityOf(inputs);
  const items = await listItems(request.data, modality);
  if (items.length < 2) throw new ConfigError(`${items.length} item to train on; at least 2 are needed.`);
  refuseVarispeed(plan.parts, modality);
  const engine = await useEngine(request.engine);
  const unlock = await lockDir(request.out);
  try {
    const described = plan.parts.map((part) => describePart(part, items.length));
    const run = await openRunDir(request.out, {
      command: 'pretrain',
      method: method.id,
      preset: request.preset,
      ...(method.stages ? { config: plan.config, stages: described } : described[0]),
      ...(given && { from: { model: given.id, fingerprint: given.fingerprint } }),
      data: { sources: request.data, items: items.length },
      seed,
    });
    await checkEngine(run, engine);
    const steps = described.reduce((sum, part) => sum + part.steps, 0);
    display.line(
      `${method.id}, preset ${request.preset}: ${method.stages ? `${plan.parts.length} stages, ` : ''}${steps} steps on ${items.length} ${itemNames[modality]}; ` +
        `engine ${engine.engine} ${engine.version} (${engine.reason}), ${engine.threads} threads; run directory ${run.path}`,
    );
    const summary = method.stages
      ? await runStages(run, request, plan, items, given)
      : await trainPart({ run, root: run, request, plan, part: plan.parts[0]!, items, earlier: [], given });
    await rm(run.file('cache'), { recursive: true, force: true });
    return { ...summary, engine, items: items.length, modality };
  } finally {
    await unlock();
  }
}

const itemNames: Readonly<Record<ItemModality, string>> = {
  audio: 'recordings',
  image: 'images',
  'audio-visual': 'scenes',
};

/** What files a run takes: one kind for all its parts. */
function itemModalityOf(inputs: readonly InputSpec[]): ItemModality {
  const found = (['image', 'audio-visual'] as const).find((one) => inputs.every(({ modality }) => modality === one));
  return found ?? 'audio';
}

function refuseVarispeed(parts: readonly Part[], modality: ItemModality): void {
  const part = parts.find(({ recipe }) => modality !== 'audio' && (recipe.varispeed?.length ?? 0) > 0);
  if (part)
    throw new ConfigError(
      `${part.stage ?? part.method.id} recipe: varispeed is for recordings, and this run trains on ${itemNames[modality]}; leave recipe.varispeed out.`,
    );
}

function describePart({ stage, method, config, recipe }: Part, items: number) {
  return {
    ...(stage !== undefined && { id: stage, method: method.id }),
    config,
    recipe,
    steps: stepsOf(recipe, items),
  };
}

/** Every stage in a run directory of its own below `stages/`; what the last keeps is the run's network. */
async function runStages(
  run: RunDir,
  request: PretrainRequest,
  plan: Plan,
  items: readonly Item[],
  given: GivenNetwork | undefined,
): Promise<TrainSummary> {
  const done: (FinishedPart & { readonly summary: TrainSummary })[] = [];
  for (const part of plan.parts) {
    const path = run.file('stages', part.stage!);
    const stageRun: RunDir = await openRunDir(path, {
      command: 'pretrain',
      method: part.method.id,
      ...describePart(part, items.length),
      data: { sources: request.data, items: items.length },
      seed: request.seed,
    });
    const isLast = part === plan.parts.at(-1);
    const { probe, ...others } = request;
    request.display.line(`stage ${done.length + 1} of ${plan.parts.length}: ${part.stage} (${part.method.id})`);
    const summary = await trainPart({
      run: stageRun,
      root: run,
      request: isLast && probe ? { ...others, probe } : others,
      plan,
      part,
      items,
      earlier: done,
      given,
    });
    done.push({ part: { ...part, stage: part.stage! }, run: stageRun, summary });
  }
  const last = done.at(-1)!;
  await copyModel(await initOf(done), run.file('model-init'));
  await copyModel(last.run.file('model'), run.file('model'));
  const summary: TrainSummary = {
    steps: done.reduce((sum, one) => sum + one.summary.steps, 0),
    seconds: done.reduce((sum, one) => sum + one.summary.seconds, 0),
    waitingShare: last.summary.waitingShare,
    finalLoss: last.summary.finalLoss,
  };
  await writeForgetting(run, done);
  const { finalLoss } = summary;
  await writeJsonAtomic(run.file('summary.json'), {
    ...summary,
    finalLoss: Number.isFinite(finalLoss) ? finalLoss : null,
  });
  return summary;
}

/** The untrained network to set beside the last stage's: the initialisation of the first stage that trains the same network. */
async function initOf(done: readonly FinishedPart[]): Promise<string> {
  const backboneOf = async ({ run }: FinishedPart): Promise<string> =>
    canonicalJson((await readModelConfig(run.file('model'))).backbone);
  const last = await backboneOf(done.at(-1)!);
  for (const one of done) if ((await backboneOf(one)) === last) return one.run.file('model-init');
  return done.at(-1)!.run.file('model-init');
}

/** A model folder at another place: whole or absent, and left alone where it is already. */
async function copyModel(from: string, to: string): Promise<void> {
  if (isModelDir(to)) return;
  await rm(`${to}.tmp`, { recursive: true, force: true });
  await cp(from, `${to}.tmp`, { recursive: true });
  await rm(to, { recursive: true, force: true });
  await rename(`${to}.tmp`, to);
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

export async function runPretrain(name: string, options: PretrainOptions): Promise<void> {
  const { method, overrides: combination } = combinationOf(name, options);
  const checkpointSeconds = Number(options.checkpointEvery);
  if (!(checkpointSeconds > 0))
    throw new ConfigError(`--checkpoint-every ${options.checkpointEvery}: expected seconds > 0.`);
  const file = options.config === undefined ? {} : ((await readJson(options.config)) as Record<string, unknown>);
  const out = options.out ?? `out/${method.replaceAll(/[^\w.-]+/g, '-')}-${options.preset}`;
  const display = createDisplay(options.display);
  try {
    const { steps, seconds, waitingShare, modality } = await pretrain({
      method,
      preset: options.preset,
      overrides: mergeConfig(file, combination, parseOverrides(options.set ?? [])),
      ...(options.from !== undefined && { from: options.from }),
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
        `The network is in ${out}/model. ${evaluationHint(out, modality)}\n`,
    );
  } finally {
    display.close();
  }
}

/** The command that measures what was trained. */
function evaluationHint(out: string, modality: ItemModality): string {
  if (modality === 'audio-visual') return `Evaluate it: npx unlabel scenes ${out} ${out}@init --data SCENES`;
  return `Evaluate it: npx unlabel eval ${out} ${out}@init --tasks ${modality === 'image' ? 'images' : 'quickstart'}`;
}

/** `multi --stages A,B` is the method `multi:A,B`; its own options are fields of its config. */
function combinationOf(name: string, { stages, strategy, distance }: PretrainOptions) {
  const overrides = { ...(strategy !== undefined && { strategy }), ...(distance !== undefined && { distance }) };
  if (name !== 'multi') {
    if (stages !== undefined || Object.keys(overrides).length > 0)
      throw new ConfigError('--stages, --strategy and --distance belong to: unlabel pretrain multi');
    return { method: name, overrides };
  }
  if (stages === undefined)
    throw new ConfigError('unlabel pretrain multi: name the methods, as in --stages delores-s,delores-m');
  return { method: `multi:${stages}`, overrides };
}
