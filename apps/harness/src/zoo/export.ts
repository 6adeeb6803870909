/** What `unlabel zoo export` does: a run becomes a checkpoint folder with its card. */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { canonicalJson, ConfigError, parseConfig, type Method, type ModelConfig, type NdArray } from '@unlabel/core';
import { readJson, writeJsonAtomic } from '@unlabel/formats';
import {
  configFile,
  countValues,
  fingerprintFile,
  isCheckpointId,
  isModelDir,
  openWeights,
  readModelConfig,
  writeCard,
  writeManifest,
  writeWeights,
  type ModelCard,
  type WeightDtype,
} from '@unlabel/zoo/files';
import { embeddingSizes } from './embedding-sizes.ts';
import { z } from 'zod';
import { planOf } from '../pretrain/plan.ts';
import { resolveMethod } from '../pretrain/recipe.ts';
import { loadMethod } from '../load-method.ts';

export interface ExportOptions {
  readonly out: string;
  readonly id: string;
  readonly dtype: WeightDtype;
  readonly licence: string;
  /** Lines about the training data. */
  readonly data: readonly string[];
}

const runSchema = z.looseObject({
  method: z.string(),
  preset: z.string(),
  config: z.record(z.string(), z.unknown()),
  /** Of a run of one part; a run of several has them by stage. */
  recipe: z.record(z.string(), z.unknown()).optional(),
  stages: z
    .array(
      z.looseObject({
        id: z.string(),
        config: z.record(z.string(), z.unknown()),
        recipe: z.record(z.string(), z.unknown()),
      }),
    )
    .default([]),
  /** What `pretrain --from` named. */
  from: z.looseObject({ model: z.string() }).optional(),
  data: z.looseObject({ sources: z.array(z.string()), items: z.int() }),
  seed: z.int(),
});
const summarySchema = z.looseObject({ steps: z.int(), seconds: z.number() });
const environmentSchema = z.looseObject({
  engine: z.string(),
  version: z.string(),
  device: z.string(),
  precision: z.string(),
});

/** Pictures of a run larger than this stay where they are. */
const maxPictureBytes = 200_000;

/**
 * Writes the checkpoint beside its place and renames it.
 * @throws ConfigError when the run is not finished, the id is none, or the folder is there
 */
export async function exportRun(run: string, options: ExportOptions): Promise<ModelCard> {
  const { out, id, dtype } = options;
  const model = [join(run, 'model'), run].find(isModelDir);
  if (model === undefined)
    throw new ConfigError(`${run}: holds no trained network; finish the run with \`unlabel pretrain\` first`);
  if (!isCheckpointId(id))
    throw new ConfigError(`--id ${id}: expected <backbone>.<method>_<data>, such as audiontt_d512.delores-s_disjoint`);
  if (existsSync(out)) throw new ConfigError(`${out}: is there already; remove it or choose another --out`);
  const config = await readModelConfig(model);
  const staging = `${resolve(out)}.tmp`;
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { recursive: true });
  await writeWeights(staging, await arraysOf(model), { dtype });
  const embedding = await embeddingSizes(config.backbone);
  await writeJsonAtomic(join(staging, configFile), { ...config, embedding } satisfies ModelConfig);
  const held = await runOf(run);
  const last = join('stages', held?.stages.at(-1)?.id ?? ''); // pictures of a run in stages are its stages'
  for (const picture of ['loss.svg', 'probe.svg']) {
    const from = [join(run, picture), join(run, last, picture)].find((path) => existsSync(path)) ?? picture;
    const found = await stat(from).catch(() => undefined);
    if (found && found.size <= maxPictureBytes) await copyFile(from, join(staging, picture));
  }
  const card = await cardOf({ run, held, checkpoint: staging }, { ...config, embedding }, options);
  await writeCard(staging, card);
  await writeManifest(staging, await fingerprintFile(model));
  await rename(staging, out);
  return card;
}

async function arraysOf(dir: string): Promise<Record<string, NdArray>> {
  const weights = await openWeights(dir);
  try {
    const arrays: Record<string, NdArray> = {};
    for (const name of weights.names) arrays[name] = await weights.read(name);
    return arrays;
  } finally {
    await weights.close();
  }
}

const earsOfClips =
  'It was trained to listen with two ears (`npx unlabel scenes`). A mono clip is embedded as both hear it alike: nothing tells a place, and the two halves of an embedding are equal.';

type HeldRun = z.output<typeof runSchema>;

/** What a finished run was asked for; undefined for a model folder alone. */
async function runOf(run: string): Promise<HeldRun | undefined> {
  const path = join(run, 'config.json');
  return existsSync(join(run, 'summary.json')) ? parseConfig(runSchema, await readJson(path), path) : undefined;
}

interface Exported {
  readonly run: string;
  readonly held: HeldRun | undefined;
  readonly checkpoint: string;
}

async function cardOf(
  { run, held, checkpoint }: Exported,
  config: ModelConfig,
  { id, dtype, licence, data }: ExportOptions,
): Promise<ModelCard> {
  const method = await loadMethod(held?.method ?? config.method);
  const training = held ? await trainingOf(run, method, held) : null;
  const { sawUnlabelled, items } = config.training;
  const steps = training?.steps ?? config.training.steps;
  const { modality } = method.card;
  const what = modality === 'image' ? 'images' : modality === 'audio-visual' ? 'scenes' : 'recordings';
  return {
    schema: 1,
    id,
    title: `${method.card.title}, ${steps} steps on ${items} ${what}`,
    licence,
    restricted: false,
    method: method.id,
    paper: method.card.paper,
    source: 'trained here',
    data: data.length > 0 ? [...data] : (held?.data.sources.map((source) => `${items} ${what} of ${source}`) ?? []),
    sawUnlabelled: [...sawUnlabelled],
    backbone: config.backbone.id,
    params: await countValues(checkpoint),
    dtype,
    sampleRate: Number(config.input['sampleRate']) || null,
    embeddingSize: config.embedding ?? { scene: 0, timestamp: 0 },
    training,
    limits: [
      'Small, and trained for minutes: it shows the method at work, and is no substitute for the authors’ networks.',
      ...(modality === 'audio-visual' ? [earsOfClips] : []),
    ],
    results: [],
  };
}

async function trainingOf(run: string, method: Method, held: HeldRun): Promise<NonNullable<ModelCard['training']>> {
  const summary = parseConfig(summarySchema, await readJson(join(run, 'summary.json')), join(run, 'summary.json'));
  const environment = parseConfig(environmentSchema, await readJson(join(run, 'env.json')), join(run, 'env.json'));
  return {
    command: commandOf(method, held, environment.precision),
    steps: summary.steps,
    seconds: Math.round(summary.seconds),
    engine: `${environment.engine} ${environment.version}`,
    device: environment.device,
  };
}

/** The command that makes the run again: the preset, what differs from it, and a precision other than the usual. */
function commandOf(
  method: Method,
  { preset, config, recipe, stages, from, data, seed }: HeldRun,
  precision: string,
): string {
  const base = resolveMethod(method, preset, {});
  const set = (
    prefix: string,
    found: Readonly<Record<string, unknown>>,
    usual: Readonly<Record<string, unknown>>,
  ): string[] =>
    Object.entries(found)
      .filter(([key, value]) => canonicalJson(value ?? null) !== canonicalJson(usual[key] ?? null))
      .map(([key, value]) => `--set ${prefix}${key}=${quoted(JSON.stringify(value))}`);
  const plan = stages.length > 0 ? planOf(method, preset, config, { isGiven: from !== undefined }) : undefined;
  const changed = [
    ...set('', config, base.config),
    ...(recipe ? set('recipe.', recipe, { ...base.recipe }) : []),
    ...stages.flatMap((stage) => {
      const part = plan!.parts.find((one) => one.stage === stage.id)!;
      const prefix = `stages.${stage.id}.`;
      return [...set(prefix, stage.config, part.config), ...set(`${prefix}recipe.`, stage.recipe, { ...part.recipe })];
    }),
  ];
  const sources = data.sources.map((source) => `--data ${quoted(source)}`);
  return [
    `npx unlabel pretrain ${method.id}`,
    `--preset ${preset}`,
    ...(from ? [`--from ${quoted(from.model)}`] : []),
    ...changed,
    ...sources,
    ...(precision === 'float32' ? [] : [`--precision ${precision}`]),
    `--seed ${seed}`,
    '--out RUN',
  ].join(' ');
}

const quoted = (text: string): string => (/^[\w./:=@,+-]+$/.test(text) ? text : `'${text}'`);
