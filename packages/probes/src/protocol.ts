/**
 * Runs a probe protocol on a task: train on train, choose on valid, test on test, without a refit (as HEAR). The value of a
 * k-fold task is the mean over its folds.
 */
import {
  ConfigError,
  createRng,
  DataError,
  unknownName,
  type Fold,
  type MetricValue,
  type Prediction,
} from '@unlabel/core';
import { z } from 'zod';
import { metricValues } from './bootstrap.ts';
import { chance } from './chance.ts';
import { countOf } from './embeddings.ts';
import type { PredictionType } from './linear/loss.ts';
import { linear } from './linear/protocol.ts';
import { mlp } from './mlp/protocol.ts';
import { metricOf } from './metrics/table.ts';
import { joinSplits, type ProbeSplit, type Protocol } from './protocol-types.ts';

/** The protocols by id. HEAR's official predictor gets its line here when it is written. */
export const protocols: Readonly<Record<string, Protocol>> = {
  [linear.id]: linear,
  [mlp.id]: mlp,
  [chance.id]: chance,
};

export interface ProbeRun {
  /** Key of `protocols`. */
  readonly protocol: string;
  /** Overrides of the protocol's options; checked by its schema. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Names the stream of bootstrap resamples, so that models can be compared on the same draws. */
  readonly task: string;
  readonly splits: ReadonlyMap<string, ProbeSplit>;
  readonly folds: readonly Fold[];
  readonly vocabulary: readonly string[];
  readonly predictionType: PredictionType;
  /** Metric names; the first is the primary and the one selection uses. */
  readonly metrics: readonly string[];
  readonly seed: number;
  /** Bootstrap resamples, default 1,000. */
  readonly resamples?: number;
  /** Milliseconds; the caller's clock. */
  readonly now: () => number;
}

export interface ProbeResult {
  /** The protocol's options with defaults filled in. */
  readonly options: Record<string, unknown>;
  /** One a test clip and fold, folds in order, clips in the order of their split. */
  readonly predictions: readonly Prediction[];
  readonly metrics: Record<string, MetricValue>;
  readonly primary: string;
  readonly n: number;
  /** What each fold chose. */
  readonly selection: readonly Record<string, unknown>[];
  /** Fitting and scoring, without the bootstrap. */
  readonly seconds: number;
}

/**
 * Fits and scores every fold.
 * @throws ConfigError for an unknown protocol, metric or option; DataError for splits that are missing, empty or inconsistent
 */
export function runProbe(run: ProbeRun): ProbeResult {
  const { folds, splits, vocabulary, predictionType, seed, task } = run;
  const protocol = Object.hasOwn(protocols, run.protocol) ? protocols[run.protocol] : undefined;
  if (!protocol) throw new ConfigError(unknownName('protocol', run.protocol, Object.keys(protocols)));
  const parsed = protocol.options.safeParse(run.options ?? {});
  if (!parsed.success) throw new ConfigError(`${protocol.id}: options: ${z.prettifyError(parsed.error)}`);
  const [primary] = run.metrics;
  if (primary === undefined || folds.length === 0)
    throw new ConfigError(`${task}: expected at least one metric and one fold`);
  for (const name of run.metrics) metricOf(name);
  for (const [name, split] of splits) checkSplit(`${task}, split ${name}`, split, vocabulary.length);

  const start = run.now();
  const predictions: Prediction[] = [];
  const selection: Record<string, unknown>[] = [];
  for (const [fold, parts] of folds.entries()) {
    const [train, valid, test] = [parts.train, parts.valid, parts.test].map((names) => {
      const joined = joinSplits(names.map((name) => splitNamed(task, splits, name)));
      if (joined.files.length === 0)
        throw new DataError(`${task}, fold ${fold}: split ${names.join(' + ')} has no clips`);
      return joined;
    }) as [ProbeSplit, ProbeSplit, ProbeSplit];
    const metric = metricOf(primary);
    const select = (scores: Float64Array): number =>
      (metric.higherIsBetter ? 1 : -1) *
      metric.compute({ scores, labels: valid.labels, classes: vocabulary.length, vocabulary });
    const rng = createRng(seed).fork('probe').fork(task).fork(fold);
    const probe = protocol.fit({ train, valid, classes: vocabulary.length, predictionType, select, rng }, parsed.data);
    const scores = probe.scores(test);
    selection.push({ fold, ...probe.selection });
    for (const [i, file] of test.files.entries()) {
      const row = Array.from(scores.subarray(i * vocabulary.length, (i + 1) * vocabulary.length));
      predictions.push({ fold, file, labels: [...test.labels[i]!], scores: row });
    }
  }
  const seconds = (run.now() - start) / 1000;
  const scored = { task, predictions, classes: vocabulary.length, vocabulary };
  const metrics = metricValues(scored, run.metrics, {
    seed,
    ...(run.resamples === undefined ? {} : { resamples: run.resamples }),
  });
  return { options: parsed.data, predictions, metrics, primary, n: predictions.length, selection, seconds };
}

function splitNamed(task: string, splits: ReadonlyMap<string, ProbeSplit>, name: string): ProbeSplit {
  const split = splits.get(name);
  if (!split) throw new DataError(`${task}: ${unknownName('split', name, [...splits.keys()])}`);
  return split;
}

function checkSplit(what: string, { files, labels, embeddings }: ProbeSplit, classes: number): void {
  if (labels.length !== files.length || (embeddings && countOf(embeddings) !== files.length)) {
    const rows = embeddings ? ` and ${countOf(embeddings)} embeddings` : '';
    throw new DataError(`${what}: ${files.length} files have ${labels.length} rows of labels${rows}`);
  }
  for (const [i, row] of labels.entries()) {
    const wrong = row.find((label) => !(Number.isInteger(label) && label >= 0 && label < classes));
    if (wrong !== undefined) throw new DataError(`${what}: ${files[i]} has label ${wrong}; expected 0…${classes - 1}`);
  }
}
