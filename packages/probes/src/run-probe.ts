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
import { countOf } from './embeddings.ts';
import type { PredictionType } from './linear/loss.ts';
import { isEventMetric } from './metrics/events/table.ts';
import { metricInfo, metricOf } from './metrics/table.ts';
import { evaluateSplit, outcomeOf, predictionsOf, type FoldOutcome } from './outcome.ts';
import { officialOrder } from './predictor/order.ts';
import { measuredProtocols, protocolOf, protocols } from './protocol.ts';
import {
  joinSplits,
  type FitInput,
  type Journal,
  type MeasuredProtocol,
  type ProbeSplit,
  type Protocol,
} from './protocol-types.ts';

export interface ProbeRun {
  /** Key of `protocols`. */
  readonly protocol: string;
  /** Overrides of the protocol's options; checked by its schema. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Names the stream of bootstrap resamples, so that models can be compared on the same draws. */
  readonly task: string;
  readonly splits: ReadonlyMap<string, ProbeSplit>;
  readonly folds: readonly Fold[];
  /** Indices of the folds to score; default all. */
  readonly only?: readonly number[] | undefined;
  readonly vocabulary: readonly string[];
  readonly predictionType: PredictionType;
  /** Metric names; the first is the primary and the one selection uses. */
  readonly metrics: readonly string[];
  readonly seed: number;
  /** `evaluation_params` and `use_scoring_for_early_stopping` of the task's metadata. */
  readonly evaluationParams?: unknown;
  readonly useScoring?: boolean;
  /** The clips come from HEAR's embedding stage, so they lie in its order already. */
  readonly isInOfficialOrder?: boolean;
  readonly journal?: Journal | undefined;
  readonly onProgress?: ((text: string) => void) | undefined;
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
  /** Values of each fold, in float64 with NaN and Infinity as they are. */
  readonly outcomes: readonly FoldOutcome[];
  /** Fitting and scoring, without the bootstrap. */
  readonly seconds: number;
}

/** What is checked once and used by every fold. */
interface Prepared {
  readonly protocol: Protocol;
  readonly options: Record<string, unknown>;
  readonly primary: string;
  readonly splits: ReadonlyMap<string, ProbeSplit>;
}

function prepare(run: ProbeRun): Prepared {
  const { folds, vocabulary, task } = run;
  const protocol = protocolOf(run.protocol);
  const parsed = protocol.options.safeParse(run.options ?? {});
  if (!parsed.success) throw new ConfigError(`${protocol.id}: options: ${z.prettifyError(parsed.error)}`);
  const [primary] = run.metrics;
  if (primary === undefined || folds.length === 0)
    throw new ConfigError(`${task}: expected at least one metric and one fold`);
  for (const name of run.metrics) metricInfo(name);
  for (const [name, split] of run.splits) checkSplit(`${task}, split ${name}`, split, vocabulary.length);
  checkFolds(task, folds);
  if (isEventMetric(primary) && !protocol.takesEvents) {
    const able = Object.values(protocols).filter(({ takesEvents }) => takesEvents);
    throw new ConfigError(
      `${task}: ${protocol.id} scores clips, and this task is about events in them. Use --protocol ${able.map(({ id }) => id).join(' or ')}.`,
    );
  }
  const splits = protocol.officialOrder && !run.isInOfficialOrder ? officialOrder(run.splits) : run.splits;
  return { protocol, options: parsed.data, primary, splits };
}

/** Split names of a fold → clips. */
function joined(run: ProbeRun, { splits }: Prepared, fold: number, part: keyof Fold): ProbeSplit {
  const names = run.folds[fold]![part];
  const split = joinSplits(names.map((name) => splitNamed(run.task, splits, name)));
  if (split.files.length === 0)
    throw new DataError(`${run.task}, fold ${fold}: split ${names.join(' + ')} has no clips`);
  return split;
}

function inputOf(
  run: ProbeRun,
  prepared: Prepared,
  fold: number,
  first: Readonly<Record<string, unknown>> | undefined,
): FitInput {
  const { vocabulary, predictionType, seed, task, journal, onProgress } = run;
  const { primary, protocol } = prepared;
  const [train, valid] = [joined(run, prepared, fold, 'train'), joined(run, prepared, fold, 'valid')];
  const classes = vocabulary.length;
  const select = (scores: Float64Array): number => {
    if (isEventMetric(primary)) throw new ConfigError(`${protocol.id}: events are not selected by the scores of clips`);
    const metric = metricOf(primary);
    return (
      (metric.higherIsBetter ? 1 : -1) *
      metric.compute({ scores, labels: valid.labels, ignored: valid.ignored, classes, vocabulary })
    );
  };
  return {
    train,
    valid,
    classes,
    predictionType,
    select,
    primary,
    vocabulary,
    fold,
    first,
    rng: createRng(seed).fork('probe').fork(task).fork(fold),
    evaluationParams: run.evaluationParams,
    useScoring: run.useScoring ?? true,
    journal: journal && scopedJournal(journal, `fold-${fold}`),
    onProgress: onProgress && ((text): void => onProgress(`fold ${fold + 1}/${run.folds.length}, ${text}`)),
  };
}

/**
 * Fits and scores every fold, or those of `run.only`.
 * @throws ConfigError for an unknown protocol, metric or option; DataError for splits that are missing, empty or inconsistent
 */
export async function runProbe(run: ProbeRun): Promise<ProbeResult> {
  if (Object.hasOwn(measuredProtocols, run.protocol)) return runMeasured(run, measuredProtocols[run.protocol]!);
  const prepared = prepare(run);
  const { protocol, options, primary } = prepared;
  const { vocabulary, task, seed } = run;
  const start = run.now();
  const predictions: Prediction[] = [];
  const selection: Record<string, unknown>[] = [];
  const outcomes: FoldOutcome[] = [];
  let first: Readonly<Record<string, unknown>> | undefined;
  for (const fold of run.folds.keys()) {
    const isWanted = run.only?.includes(fold) ?? true;
    if (!isWanted && !(fold === 0 && protocol.searchesFirstFoldOnly)) continue;
    const began = run.now();
    const probe = await protocol.fit(inputOf(run, prepared, fold, first), options);
    first ??= probe.selection;
    if (!isWanted) continue;
    const test = joined(run, prepared, fold, 'test');
    const tested = await evaluateSplit(probe, test);
    selection.push({ fold, ...probe.selection });
    const ofFold = predictionsOf(fold, test, tested, vocabulary.length);
    predictions.push(...ofFold);
    outcomes.push({
      fold,
      n: ofFold.length,
      ...outcomeOf(ofFold, run.metrics, vocabulary),
      loss: tested.loss ?? null,
      seconds: (run.now() - began) / 1000,
    });
  }
  const seconds = (run.now() - start) / 1000;
  const metrics = metricValues({ task, predictions, classes: vocabulary.length, vocabulary }, run.metrics, {
    seed,
    ...(run.resamples === undefined ? {} : { resamples: run.resamples }),
  });
  return { options, predictions, metrics, primary, n: predictions.length, selection, outcomes, seconds };
}

/** Metrics that a protocol takes by itself; there are no predictions. */
function runMeasured(run: ProbeRun, protocol: MeasuredProtocol): ProbeResult {
  if (run.folds.length !== 1)
    throw new ConfigError(
      `${run.task}: ${protocol.id} needs splits to train on and to test, and the task has ${run.folds.length} folds.`,
    );
  const parsed = protocol.options.safeParse(run.options ?? {});
  if (!parsed.success) throw new ConfigError(`${protocol.id}: options: ${z.prettifyError(parsed.error)}`);
  const start = run.now();
  const prepared = prepare({ ...run, protocol: 'chance/v1', options: {} }); // checks splits and folds
  const test = joined(run, prepared, 0, 'test');
  const { metrics, selection } = protocol.measure(inputOf(run, prepared, 0, undefined), test, parsed.data);
  return {
    options: parsed.data,
    predictions: [],
    metrics,
    primary: Object.keys(metrics)[0]!,
    n: test.files.length,
    selection: selection.map((one) => ({ ...one })),
    outcomes: [],
    seconds: (run.now() - start) / 1000,
  };
}

/** One of several workers that fill a journal together. */
export interface Share {
  readonly index: number;
  readonly of: number;
  /** `search`: the grid points; `folds`: the folds that use the first one's winner, once all shares of `search` are done. */
  readonly stage: 'search' | 'folds';
}

/** Whether a protocol has pieces that `warmProbe` can make in parallel. */
export const isDivisible = (protocol: string): boolean => protocols[protocol]?.warm !== undefined;

/** Makes this share of the pieces a later `runProbe` with the same journal finds there. */
export async function warmProbe(run: ProbeRun, { index, of, stage }: Share): Promise<void> {
  const prepared = prepare(run);
  const { protocol, options } = prepared;
  if (!protocol.warm || !run.journal) return;
  const isFirstOnly = protocol.searchesFirstFoldOnly ?? false;
  const wanted = (fold: number): boolean => run.only?.includes(fold) ?? true;
  if (stage === 'search') {
    for (const fold of run.folds.keys()) {
      if (isFirstOnly ? fold > 0 : !wanted(fold)) continue;
      await protocol.warm(inputOf(run, prepared, fold, undefined), options, { index, of });
    }
    return;
  }
  if (!isFirstOnly || run.folds.length < 2) return;
  const first = (await protocol.fit(inputOf(run, prepared, 0, undefined), options)).selection;
  for (const fold of run.folds.keys()) {
    if (fold === 0 || fold % of !== index || !wanted(fold)) continue;
    await protocol.fit(inputOf(run, prepared, fold, first), options);
  }
}

const scopedJournal = (journal: Journal, scope: string): Journal => ({
  load: (key) => journal.load(`${scope}.${key}`),
  save: (key, bytes) => journal.save(`${scope}.${key}`, bytes),
});

/** A split that trains and tests, or selects and tests, makes a score a lie. */
function checkFolds(task: string, folds: readonly Fold[]): void {
  for (const [i, { train, valid, test }] of folds.entries()) {
    const parts = { train, valid, test };
    const names = Object.entries(parts).flatMap(([part, splits]) => splits.map((split) => ({ part, split })));
    const twice = names.find(({ split }, at) => names.findIndex((other) => other.split === split) !== at);
    if (twice) throw new DataError(`${task}, fold ${i}: split ${twice.split} is used twice; folds must not overlap`);
  }
}

function splitNamed(task: string, splits: ReadonlyMap<string, ProbeSplit>, name: string): ProbeSplit {
  const split = splits.get(name);
  if (!split) throw new DataError(`${task}: ${unknownName('split', name, [...splits.keys()])}`);
  return split;
}

function checkSplit(what: string, { files, labels, embeddings, frames }: ProbeSplit, classes: number): void {
  const rows = frames ? frames.timestamps.length : files.length;
  if (frames && (frames.offsets.length !== files.length + 1 || frames.offsets.at(-1) !== rows)) {
    throw new DataError(`${what}: ${files.length} files have frames up to ${frames.offsets.at(-1)} of ${rows}`);
  }
  if (labels.length !== files.length || (embeddings && countOf(embeddings) !== rows)) {
    const rows = embeddings ? ` and ${countOf(embeddings)} embeddings` : '';
    throw new DataError(`${what}: ${files.length} files have ${labels.length} rows of labels${rows}`);
  }
  for (const [i, row] of labels.entries()) {
    const wrong = row.find((label) => !(Number.isInteger(label) && label >= 0 && label < classes));
    if (wrong !== undefined) throw new DataError(`${what}: ${files[i]} has label ${wrong}; expected 0…${classes - 1}`);
  }
}
