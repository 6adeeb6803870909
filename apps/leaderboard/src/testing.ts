/** Result files as evaluation writes them, made up, for tests of whatever reads them. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRng, type Prediction, type Result } from '@unlabel/core';
import { metricValues } from '@unlabel/probes';

export interface SampleTask {
  readonly id: string;
  readonly classes: number;
  readonly clips: number;
  readonly folds?: number;
  readonly predictionType?: 'multiclass' | 'multilabel';
  readonly metrics?: readonly string[];
  readonly modality?: 'audio' | 'image';
}

export interface SampleModel {
  readonly id: string;
  readonly method?: string;
  /** How far the true class's score stands out: 0 is chance, 3 nearly always right. */
  readonly skill: number;
  readonly overrides?: Partial<Result['model']>;
  /** Tasks to leave out. */
  readonly without?: readonly string[];
  /** Share of the clips scored; below 1 the result is partial. */
  readonly share?: number;
}

export const sampleTasks: readonly SampleTask[] = [
  { id: 'chord-family', classes: 10, clips: 72, predictionType: 'multilabel', metrics: ['mAP', 'd_prime', 'aucroc'] },
  { id: 'fluid-family', classes: 10, clips: 72, folds: 3 },
  { id: 'fluid-pitch', classes: 24, clips: 72, folds: 3, metrics: ['pitch_acc', 'chroma_acc'] },
  { id: 'gm-drums', classes: 5, clips: 60, folds: 3 },
  { id: 'sonicpi-family', classes: 9, clips: 60, folds: 3 },
  { id: 'tonejs-instrument', classes: 14, clips: 72, folds: 3 },
];

export const sampleModels: readonly SampleModel[] = [
  { id: 'delores-s', method: 'delores-s', skill: 2.4, overrides: { sawUnlabelled: ['gm-drums', 'fluid-pitch'] } },
  { id: 'delores-s-init', method: 'delores-s', skill: 1.9 },
  { id: 'logmel-stats', method: 'statistics', skill: 1.8, overrides: { params: 0, embeddingSize: 128 } },
  { id: 'mfcc-stats', method: 'statistics', skill: 1.4, overrides: { params: 0, embeddingSize: 80 } },
  { id: 'chance', method: 'chance', skill: 0, overrides: { params: 0, embeddingSize: 0, sampleRate: 0 } },
];

/** Scores of every test clip: noise that all models share (hard clips are hard for all) and noise of the model's own. */
export function samplePredictions(model: SampleModel, task: SampleTask): Prediction[] {
  const common = createRng(1).fork(task.id);
  const own = createRng(2).fork(model.id).fork(task.id);
  const n = Math.floor(task.clips * (model.share ?? 1));
  return Array.from({ length: n }, (_, i) => {
    const labels = [i % task.classes, ...(task.predictionType === 'multilabel' ? [(3 * i + 1) % task.classes] : [])];
    const logits = Array.from(
      { length: task.classes },
      (_unused, k) => 0.8 * common.normal() + 0.6 * own.normal() + (labels.includes(k) ? model.skill : 0),
    );
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
    const scores =
      task.predictionType === 'multilabel'
        ? logits.map((logit) => 1 / (1 + Math.exp(-logit)))
        : logits.map((logit) => Math.exp(logit) / total);
    return {
      fold: i % (task.folds ?? 1),
      file: `${task.id}-${String(i).padStart(4, '0')}.wav`,
      labels: [...new Set(labels)].sort((a, b) => a - b),
      scores,
    };
  });
}

type Scored = { readonly predictions: Prediction[]; readonly metrics: Result['metrics'] };
const held = new Map<string, Scored>();

/** Made once for each model and task: the bootstrap is the slow part of a test. */
function scored(model: SampleModel, task: SampleTask, names: readonly string[]): Scored {
  const key = JSON.stringify([model.id, model.skill, model.share, task]);
  const known = held.get(key);
  if (known) return known;
  const predictions = samplePredictions(model, task);
  const scoredTask = { task: task.id, predictions, classes: task.classes };
  const made = { predictions, metrics: metricValues(scoredTask, names, { seed: 0, resamples: 100 }) };
  held.set(key, made);
  return made;
}

/** One result file and its predictions below `dir`; returns the result's path. */
export async function writeSampleResult(dir: string, model: SampleModel, task: SampleTask): Promise<string> {
  const names = task.metrics ?? ['top1_acc', 'mAP', 'aucroc'];
  const { predictions, metrics } = scored(model, task, names);
  const fingerprint = 'f'.repeat(8) + model.id.length.toString(16).padStart(8, '0');
  const folder = join(dir, 'results', model.id.replaceAll(/[^\w.-]/g, '_'), fingerprint);
  const result: Result = {
    schema: 1,
    model: {
      id: model.id,
      method: model.method ?? 'unknown',
      fingerprint,
      params: 5_278_000,
      embeddingSize: 2048,
      sampleRate: 16000,
      source: `out/quickstart/${model.id}`,
      sawUnlabelled: [],
      ...model.overrides,
    },
    task: {
      id: task.id,
      revision: 'v1-full@0123456789ab',
      predictionType: task.predictionType ?? 'multiclass',
      ...(task.modality && { modality: task.modality }),
    },
    protocol: { id: 'linear/v1', options: { strengths: [1, 0.1] } },
    seed: 0,
    metrics,
    primary: names[0]!,
    n: predictions.length,
    nFull: task.clips,
    selection: Array.from({ length: task.folds ?? 1 }, (_, fold) => ({ fold, strength: 0.1, validation: 0.7 })),
    time: { embedSeconds: 3.2, probeSeconds: 1.1 },
    environment: {
      engine: 'wasm',
      version: '4.22.0',
      device: 'cpu',
      threads: 1,
      precision: 'float32',
      node: 'v24.21.0',
    },
    predictions: `${task.id}.linear-v1.s0.predictions.jsonl`,
  };
  const path = join(folder, `${task.id}.linear-v1.s0.json`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, result.predictions), predictions.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await writeFile(path, JSON.stringify(result, null, 2));
  return path;
}

/** Every model on every task, except what a model is without. */
export async function writeSampleResults(
  dir: string,
  models: readonly SampleModel[] = sampleModels,
  tasks: readonly SampleTask[] = sampleTasks,
): Promise<void> {
  for (const model of models) {
    for (const task of tasks) if (!model.without?.includes(task.id)) await writeSampleResult(dir, model, task);
  }
}
