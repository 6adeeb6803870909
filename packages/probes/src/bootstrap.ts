/**
 * Percentile bootstrap over test clips. Clips are resampled inside their fold, and a resample's value is the mean over folds,
 * as the score itself is. Scorers are prepared once, so that a resample costs O(n·C).
 *
 * Repeated clips raise average precision, the more the fewer positives a class has, so the percentiles alone can miss the score
 * itself. Intervals are therefore shifted by the bootstrap's own estimate of bias (Efron and Tibshirani, "An Introduction to the
 * Bootstrap", 1993, §10.3); for accuracy that is nothing.
 */
import { createRng, DataError, type MetricValue, type Prediction, type Rng } from '@unlabel/core';
import { eventMetricOf, isEventMetric } from './metrics/events/table.ts';
import { metricInfo, metricOf } from './metrics/table.ts';
import type { Scorer } from './metrics/metric.ts';

export interface Interval {
  readonly low: number | null;
  readonly high: number | null;
}

/** What is needed to score predictions again. */
export interface ScoredTask {
  /** Names the stream of resamples: the same task and seed draw the same clips whatever the model. */
  readonly task: string;
  readonly predictions: readonly Prediction[];
  readonly classes: number;
  readonly vocabulary?: readonly string[] | undefined;
}

export interface BootstrapOptions {
  readonly seed: number;
  /** Default 1,000. */
  readonly resamples?: number;
}

export const DEFAULT_RESAMPLES = 1000;

/** One scorer a fold, and the clips of each. */
export interface FoldScorers {
  readonly scorers: readonly Scorer[];
  readonly sizes: readonly number[];
}

/** Prepares one metric on each fold of a task's predictions, in the order of the fold numbers. */
export function foldScorers({ predictions, classes, vocabulary }: ScoredTask, metric: string): FoldScorers {
  const folds = new Map<number, Prediction[]>();
  for (const prediction of predictions) {
    const clips = folds.get(prediction.fold);
    if (clips) clips.push(prediction);
    else folds.set(prediction.fold, [prediction]);
  }
  const ordered = [...folds].sort(([a], [b]) => a - b).map(([, clips]) => clips);
  const scorers = ordered.map((clips) => {
    if (isEventMetric(metric)) return eventMetricOf(metric).prepare(clips.map((clip) => eventsOfClip(clip)));
    const scores = new Float64Array(clips.length * classes);
    for (const [i, clip] of clips.entries()) scores.set(clip.scores, i * classes);
    const labels = clips.map((clip) => clip.labels);
    return metricOf(metric).prepare({ scores, labels, ignored: ignoredOf(clips), classes, vocabulary });
  });
  return { scorers, sizes: ordered.map((clips) => clips.length) };
}

/** Classes that each clip counts neither way for; undefined when there are none. */
export const ignoredOf = (clips: readonly Prediction[]): readonly (readonly number[])[] | undefined =>
  clips.some(({ ignored }) => ignored) ? clips.map(({ ignored = [] }) => ignored) : undefined;

function eventsOfClip({ file, events }: Prediction): NonNullable<Prediction['events']> {
  if (events) return events;
  throw new DataError(`${file}: its prediction holds no events; the result was made by a protocol without them`);
}

/** The stream of resamples of a task. */
export const resampleRng = (seed: number, task: string): Rng => createRng(seed).fork('bootstrap').fork(task);

/** Draws n clips with replacement: how often each came. */
export function drawCounts(rng: Rng, counts: Int32Array): void {
  counts.fill(0);
  for (let i = 0; i < counts.length; i++) counts[Math.floor(rng.uniform() * counts.length)]!++;
}

export const meanOfFolds = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Values of several metrics under the same resamples: rows of `resamples` values, one a metric. */
export function bootstrapValues(metrics: readonly FoldScorers[], rng: Rng, resamples: number): Float64Array[] {
  const sizes = metrics[0]?.sizes ?? [];
  const counts = sizes.map((size) => new Int32Array(size));
  const values = metrics.map(() => new Float64Array(resamples));
  for (let r = 0; r < resamples; r++) {
    for (const fold of counts) drawCounts(rng, fold);
    for (const [m, { scorers }] of metrics.entries()) {
      values[m]![r] = meanOfFolds(scorers.map((scorer, f) => scorer(counts[f])));
    }
  }
  return values;
}

/**
 * The central 95 % of a distribution (linear interpolation between order statistics), shifted so that the distribution's mean
 * falls on `value`, and kept inside `bounds`. Undefined resamples are left out; null when more than one in ten is undefined or
 * a bound is infinite.
 */
export function percentileInterval(
  values: Float64Array,
  { value, bounds = [-Infinity, Infinity] }: { value?: number; bounds?: readonly [number, number] } = {},
): Interval {
  const sorted = values.filter((sample) => !Number.isNaN(sample)).sort();
  if (sorted.length === 0 || sorted.length < 0.9 * values.length) return { low: null, high: null };
  const bias = value === undefined ? 0 : sorted.reduce((sum, sample) => sum + sample, 0) / sorted.length - value;
  const end = (share: number): number | null => {
    const at = quantile(sorted, share);
    if (at === null) return null;
    // An infinite resample (d′ of a perfect class) has no mean to shift by. Rounding must not widen an interval of no width.
    const shifted = Number.isFinite(bias) && Math.abs(bias) > 1e-12 ? at - bias : at;
    return Math.min(Math.max(shifted, bounds[0]), bounds[1]);
  };
  return { low: end(0.025), high: end(0.975) };
}

function quantile(sorted: Float64Array, share: number): number | null {
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)]!;
  const above = sorted[Math.ceil(at)]!;
  const value = below === above ? below : below + (at - Math.floor(at)) * (above - below);
  return Number.isFinite(value) ? value : null;
}

/** Each metric as the mean over folds with its 95 % interval, keyed in the order asked for. */
export function metricValues(
  task: ScoredTask,
  names: readonly string[],
  { seed, resamples = DEFAULT_RESAMPLES }: BootstrapOptions,
): Record<string, MetricValue> {
  const prepared = names.map((name) => foldScorers(task, name));
  const distributions = bootstrapValues(prepared, resampleRng(seed, task.task), resamples);
  const entries = names.map((name, m): [string, MetricValue] => {
    const value = meanOfFolds(prepared[m]!.scorers.map((scorer) => scorer()));
    const { higherIsBetter, bounds } = metricInfo(name);
    if (Number.isFinite(value)) {
      return [name, { value, ...percentileInterval(distributions[m]!, { value, bounds }), higherIsBetter }];
    }
    const note = isEventMetric(name)
      ? `${name} is undefined: nothing was annotated, or nothing found, in some fold`
      : Number.isNaN(value)
        ? `${name} is undefined: a class has test clips of one kind only in some fold`
        : `${name} is ${value}: a class is separated without error in some fold`;
    return [name, { value: null, low: null, high: null, higherIsBetter, note }];
  });
  return Object.fromEntries(entries);
}
