/** One model on one task: read its embeddings, run the protocol, write the result and the test predictions. */
import { basename } from 'node:path';
import { ConfigError, type CropPolicy, type Fold, type Prediction, type Result } from '@unlabel/core';
import type { EngineOptions } from '@unlabel/engine';
import { writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import {
  isDetectionProtocol,
  measuredProtocols,
  protocols,
  runProbe,
  warmProbe,
  type FoldOutcome,
  type ProbeRun,
  type Share,
} from '@unlabel/probes';
import { foldsOf, type OpenedTask } from '@unlabel/tasks';
import type { ModelDescription } from '../models/describe.ts';
import { version } from '../version.ts';
import { fileJournal } from './journal.ts';
import { openAnyTask } from './open-task.ts';
import { modelEntry } from './result-file.ts';
import { readSplits, type EmbeddedTask } from './splits.ts';

export interface ProbeJob extends EmbeddedTask {
  readonly kind: 'probe';
  readonly taskDir: string;
  readonly model: ModelDescription;
  readonly protocol: string;
  readonly seed: number;
  /** Numbers of the folds to use; default all. */
  readonly folds?: readonly number[] | undefined;
  /** First clips of each split; default all. */
  readonly limit?: number | undefined;
  /** Result file to write. */
  readonly file: string;
  /** Make this share of the pieces the result is made of, and no result: several workers fit one probe together. */
  readonly share?: Share | undefined;
}

export interface ProbeSummary {
  readonly seconds: number;
}

/**
 * @throws DataError or ConfigError as the protocol does; what was finished is in the journal
 */
export async function runProbeJob(
  job: ProbeJob,
  engine: EngineOptions = {},
  report: (text: string) => void = () => {},
): Promise<ProbeSummary> {
  const { model, file, seed, limit } = job;
  const task = await openAnyTask(job.taskDir);
  const read = await readSplits(task, job);
  const protocol = job.shards.length > 0 ? job.protocol : 'chance/v1';
  let environment: Record<string, unknown> = { ...read.environment, harness: version };
  if (protocols[protocol]?.needsEngine) {
    const { useEngine } = await import('@unlabel/engine');
    environment = { ...environment, probe: { ...(await useEngine(engine)) } };
  }
  const all = foldsOf(task);
  const inputs = {
    model: model.fingerprint,
    task: task.revision,
    protocol,
    seed,
    folds: job.folds,
    hashes: read.hashes,
    version,
  };
  const journal = fileJournal(file, inputs);
  const run: ProbeRun = {
    protocol,
    task: task.id,
    splits: read.splits,
    folds: all,
    only: job.folds,
    vocabulary: task.vocabulary,
    predictionType: task.metadata.prediction_type,
    metrics: task.metadata.evaluation,
    seed,
    evaluationParams: task.metadata['evaluation_params'],
    useScoring: task.metadata['use_scoring_for_early_stopping'] !== false,
    journal,
    onProgress: report,
    now: () => performance.now(),
  };
  if (job.share) {
    await warmProbe(run, job.share);
    return { seconds: 0 };
  }
  const result = await runProbe(run);
  const hasPredictions = result.predictions.length > 0;
  const predictions = hasPredictions ? file.replace(/\.json$/, '.predictions.jsonl') : '';
  if (hasPredictions) await writeFileAtomic(predictions, result.predictions.map(line).join(''));
  const isPartial = job.folds !== undefined || limit !== undefined;
  await writeJsonAtomic(file, {
    schema: 1,
    model: modelEntry(model, read.width),
    task: {
      id: task.id,
      revision: task.revision,
      predictionType: task.metadata.prediction_type,
      embeddingType: task.metadata.embedding_type,
      ...(task.modality && { modality: task.modality }),
    },
    protocol: {
      id: job.protocol,
      options: {
        ...result.options,
        ...(task.modality === 'image' && { crop: model.ref.kind === 'features' ? 'as made' : cropOf(job.protocol) }),
      },
    },
    seed,
    metrics: result.metrics,
    primary: result.primary,
    n: result.n,
    nFull: testClips(task, all),
    ...(isPartial && {
      partial: { ...(job.folds && { folds: [...job.folds] }), ...(limit !== undefined && { limit }) },
    }),
    outcomes: result.outcomes.map((outcome) => outcomeLine(outcome, all)),
    hashes: { weights: model.fingerprint, ...read.hashes },
    selection: [...result.selection],
    time: { embedSeconds: round(read.seconds), probeSeconds: round(result.seconds) },
    memory: { embedPeakBytes: read.peakBytes, probePeakBytes: process.resourceUsage().maxRSS * 1024 },
    environment,
    predictions: hasPredictions ? basename(predictions) : '',
  } satisfies Result);
  await journal.clear();
  return { seconds: result.seconds };
}

/** What a protocol does with images that are no squares. */
export const cropOf = (protocol: string): CropPolicy =>
  (protocols[protocol] ?? measuredProtocols[protocol])?.crop ?? 'center';

const line = (prediction: Prediction): string => `${JSON.stringify(prediction)}\n`;
const round = (seconds: number): number => Math.round(seconds * 1000) / 1000;

const testClips = (task: OpenedTask, folds: readonly Fold[]): number =>
  folds.flatMap(({ test }) => test).reduce((sum, split) => sum + (task.splits.get(split)?.length ?? 0), 0);

function outcomeLine(
  { fold, n, metrics, loss }: FoldOutcome,
  folds: readonly Fold[],
): NonNullable<Result['outcomes']>[number] {
  return {
    fold,
    test: [...(folds[fold]?.test ?? [])],
    n,
    metrics: Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, jsonNumber(value)])),
    loss: loss === null ? null : jsonNumber(loss),
  };
}

const jsonNumber = (value: number): number | 'NaN' | 'Infinity' | '-Infinity' =>
  Number.isFinite(value) ? value : (String(value) as 'NaN' | 'Infinity' | '-Infinity');

/** @throws ConfigError when a task is about events and the protocol is not, or has no boxes to detect, or a fold is asked for that is not there */
export function checkProbe(task: OpenedTask, protocol: string, folds: readonly number[] | undefined): void {
  const count = foldsOf(task).length;
  const missing = folds?.find((fold) => fold >= count);
  if (missing !== undefined)
    throw new ConfigError(
      `--folds ${missing}: ${task.id} has ${count === 1 ? 'one fold, 0' : `folds 0 to ${count - 1}`}.`,
    );
  if (isDetectionProtocol(protocol)) {
    if (!task.hasBoxes) throw new ConfigError(`${task.id}: has no boxes; ${protocol} detects objects in images.`);
    if (folds) throw new ConfigError(`--folds: ${protocol} trains on all images that are not tested; it has no folds.`);
    return;
  }
  if (task.metadata.embedding_type !== 'event' || protocols[protocol]?.takesEvents) return;
  const able = Object.values(protocols).filter(({ takesEvents, id }) => takesEvents && !id.startsWith('chance'));
  throw new ConfigError(
    `${task.id}: ${protocol} scores clips, and this task is about events in them. Use --protocol ${able.map(({ id }) => id).join(' or ')}.`,
  );
}
