/** What `unlabel ls` and `unlabel show` print. */
import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError, load, unknownName, type Method } from '@unlabel/core';
import { globMatcher } from './glob.ts';
import { baselineIds } from './models/baselines.ts';
import { imageBaselineIds, randomBackbones } from './models/image-baselines.ts';
import { isModelDir, readModelConfig, shippedIds } from '@unlabel/zoo/files';
import { modelForms } from './models/resolve.ts';
import { methods } from './registry.ts';

type Row = Readonly<Record<string, string | number>>;

export async function list(
  kind: string,
  glob: string | undefined,
  options: { tasks: string; json?: boolean },
): Promise<string> {
  const matches = globMatcher(glob);
  const rows = (await rowsOf(kind, options.tasks)).filter((row) => matches(String(row['id'])));
  if (options.json) return `${JSON.stringify(rows, null, 2)}\n`;
  if (rows.length === 0)
    return kind === 'tasks'
      ? `no tasks in ${options.tasks}; build them with: npx unlabel data build quickstart\n`
      : `no ${kind} match\n`;
  const tail = kind === 'models' ? `\nA MODEL is one of:\n${modelForms.map((form) => `  - ${form}`).join('\n')}\n` : '';
  return textTable(rows) + tail;
}

async function rowsOf(kind: string, taskDir: string): Promise<Row[]> {
  switch (kind) {
    case 'methods':
      return (await allMethods()).map(({ id, card }) => ({
        id,
        year: card.year,
        modality: card.modality,
        title: card.title,
      }));
    case 'presets':
      return (await allMethods()).flatMap((method) =>
        Object.entries(method.presets).map(([name, preset]) => ({ id: `${method.id}@${name}`, note: preset.note })),
      );
    case 'models':
      return [
        ...baselineIds.map((id) => ({ id, note: 'baseline: statistics over time' })),
        ...imageBaselineIds.map((id) => ({ id, note: 'baseline of images: colours' })),
        { id: 'chance', note: 'baseline: label frequencies' },
        ...Object.keys(methods).map((id) => ({ id: `random:${id}`, note: 'random initialisation' })),
        ...Object.keys(randomBackbones).map((id) => ({
          id: `random:${id}`,
          note: 'random initialisation, for images',
        })),
        ...shippedIds().map((id) => ({ id, note: 'checkpoint that ships with the project' })),
        ...(await runsBelow('out')).map((dir) => ({ id: dir, note: 'trained here' })),
      ];
    case 'tasks':
      return taskRows(taskDir);
    case 'protocols': {
      const { detectionProtocols, measuredProtocols, protocols } = await import('@unlabel/probes');
      const ofEmbeddings = Object.values(protocols).map(({ id, takesEvents, title }) => ({
        id,
        tasks: takesEvents ? 'scene, event' : 'scene',
        title,
      }));
      const ofMaps = Object.entries(detectionProtocols).map(([id, { title }]) => ({ id, tasks: 'boxes', title }));
      const measured = Object.values(measuredProtocols).map(({ id, title }) => ({ id, tasks: 'scene', title }));
      return [...ofEmbeddings, ...measured, ...ofMaps];
    }
    default:
      throw new ConfigError(unknownName('kind', kind, ['methods', 'tasks', 'models', 'presets', 'protocols']));
  }
}

const allMethods = (): Promise<Method[]> => Promise.all(Object.keys(methods).map((id) => load(methods, id, 'method')));

/** Run directories with a network, at most two folders down. */
async function runsBelow(root: string): Promise<string[]> {
  if (!existsSync(root)) return [];
  const found: string[] = [];
  const visit = async (dir: string, depth: number): Promise<void> => {
    if (isModelDir(join(dir, 'model'))) found.push(dir);
    if (depth === 0) return;
    for (const entry of await readdir(dir, { withFileTypes: true })) {
      if (entry.isDirectory() && !entry.name.startsWith('.')) await visit(join(dir, entry.name), depth - 1);
    }
  };
  await visit(root, 2);
  return found.sort();
}

async function taskRows(dir: string): Promise<Row[]> {
  if (!existsSync(dir)) return [];
  const { findAnyTasks, openAnyTask } = await import('./evaluate/open-task.ts');
  const tasks = await Promise.all((await findAnyTasks(dir)).map((path) => openAnyTask(path)));
  return tasks.map(({ id, revision, modality, metadata, splits, vocabulary }) => ({
    id,
    type: `${modality === 'image' ? 'image' : metadata.embedding_type} ${metadata.prediction_type}`,
    classes: vocabulary.length,
    clips: [...splits.values()].reduce((sum, clips) => sum + clips.length, 0),
    splits: metadata.split_mode === 'trainvaltest' ? 'train/valid/test' : `${splits.size} folds`,
    metric: metadata.evaluation[0]!,
    revision,
  }));
}

function textTable(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0]!);
  const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => String(row[column]).length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd();
  return [line(columns), ...rows.map((row) => line(columns.map((column) => String(row[column]))))].join('\n') + '\n';
}

/** One method, model, run or task in full. */
export async function show(id: string, asJson: boolean): Promise<string> {
  if (Object.hasOwn(methods, id)) {
    const method = await load(methods, id, 'method');
    return asJson ? `${JSON.stringify(methodFacts(method), null, 2)}\n` : methodText(method);
  }
  const model = [id, join(id, 'model')].find((dir) => isModelDir(dir));
  if (model) {
    const config = await readModelConfig(model);
    const summary = existsSync(join(id, 'summary.json'))
      ? (JSON.parse(await readFile(join(id, 'summary.json'), 'utf8')) as unknown)
      : null;
    return `${JSON.stringify({ directory: model, ...config, summary }, null, 2)}\n`;
  }
  if (existsSync(join(id, 'task_metadata.json'))) {
    const { openTask } = await import('@unlabel/tasks');
    const task = await openTask(id);
    const counts = Object.fromEntries([...task.splits].map(([split, clips]) => [split, clips.length]));
    return `${JSON.stringify({ id: task.id, revision: task.revision, metadata: task.metadata, clips: counts, vocabulary: task.vocabulary, note: task.note }, null, 2)}\n`;
  }
  throw new ConfigError(
    `${unknownName('method', id, Object.keys(methods))} It is no model, run or task directory either.`,
  );
}

interface Field {
  readonly name: string;
  readonly default: unknown;
  readonly about: string;
}

/** Config fields with their defaults and what `.meta` says of them. */
export function configFields(method: Method): Field[] {
  const defaults = method.config.parse({}) as Record<string, unknown>;
  return Object.entries(method.config.shape).map(([name, schema]) => {
    const { symbol, unit, paper, description } = (z.globalRegistry.get(schema as z.ZodType) ?? {}) as Record<
      string,
      string | undefined
    >;
    const about = [symbol, unit && `[${unit}]`, description, paper && `(${paper})`].filter(Boolean).join(' ');
    return { name, default: defaults[name], about };
  });
}

function methodFacts(method: Method): Record<string, unknown> {
  return {
    id: method.id,
    card: method.card,
    config: configFields(method),
    recipe: method.recipe,
    presets: method.presets,
  };
}

const fieldTable = (method: Method): string =>
  textTable(
    configFields(method).map(({ name, default: value, about }) => ({
      field: name,
      default: JSON.stringify(value),
      about,
    })),
  ).trimEnd();

/** The stages of the defaults, and the fields of each method among them. */
function stagesText(method: Method): string[] {
  const stages = method.stages?.(method.config.parse({})) ?? [];
  if (stages.length === 0) return [];
  const lines = stages.map(({ id, method: own, upstream = [] }) => {
    return `  ${id}: ${own.id}${upstream.length > 0 ? `, with the network of ${upstream.join(', ')}` : ''}`;
  });
  const parts = new Map(stages.map((stage) => [stage.method.id, stage.method]));
  const tables = [...parts.values()].map((own) => `\n${own.id}: ${own.card.title}\n${fieldTable(own)}`);
  return ['', 'Stages (--set stages.<id>.field=value):', ...lines, ...tables];
}

function methodText(method: Method): string {
  const { card } = method;
  const recipe = Object.entries(method.recipe).map(([name, value]) => `  recipe.${name} = ${JSON.stringify(value)}`);
  const presets = Object.entries(method.presets).map(([name, preset]) => {
    const changes = JSON.stringify({ ...preset.config, ...(preset.recipe && { recipe: preset.recipe }) });
    return `  ${name}: ${preset.note}\n    ${changes}`;
  });
  return [
    `${method.id}: ${card.title}`,
    `  ${card.authors}, ${card.year}. ${card.paper}`,
    ...(card.code ? [`  followed: ${card.code}`] : []),
    `  licence upstream: ${card.licence}`,
    ...(card.differences ?? []).map((difference) => `  differs: ${difference}`),
    '',
    'Config (--set field=value):',
    fieldTable(method),
    ...stagesText(method),
    '',
    'Recipe (--set recipe.field=value):',
    ...recipe,
    '',
    'Presets (--preset name):',
    ...presets,
    '',
  ].join('\n');
}
