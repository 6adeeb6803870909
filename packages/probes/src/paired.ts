/** Paired bootstrap of the difference between two models on the same test clips: a task at a time, and on the mean of a suite. */
import { DataError, type Prediction } from '@unlabel/core';
import {
  bootstrapValues,
  DEFAULT_RESAMPLES,
  foldScorers,
  meanOfFolds,
  percentileInterval,
  resampleRng,
  type BootstrapOptions,
  type Interval,
} from './bootstrap.ts';
import { metricInfo } from './metrics/table.ts';

export interface PairedTask {
  readonly task: string;
  readonly metric: string;
  readonly classes: number;
  readonly vocabulary?: readonly string[] | undefined;
  readonly a: readonly Prediction[];
  readonly b: readonly Prediction[];
}

/** a − b, turned so that positive means that a is better. */
export interface Difference extends Interval {
  readonly value: number | null;
}

export interface PairedDifferences {
  readonly tasks: Readonly<Record<string, Difference>>;
  /** Of the mean over the tasks; null when it is undefined on one of them. */
  readonly mean: Difference;
}

/**
 * Differences with 95 % intervals. Both models are scored on the same resample of clips, drawn inside each fold.
 * @throws DataError when the two models were not tested on the same clips
 */
export function pairedDifferences(
  tasks: readonly PairedTask[],
  { seed, resamples = DEFAULT_RESAMPLES }: BootstrapOptions,
): PairedDifferences {
  const total = new Float64Array(resamples);
  const values: number[] = [];
  const byTask: Record<string, Difference> = {};
  for (const { task, metric, classes, vocabulary, a, b } of tasks) {
    const aligned = alignPredictions(task, a, b);
    const sign = metricInfo(metric).higherIsBetter ? 1 : -1;
    const pair = [a, aligned].map((predictions) => foldScorers({ task, predictions, classes, vocabulary }, metric));
    const [ofA, ofB] = bootstrapValues(pair, resampleRng(seed, task), resamples) as [Float64Array, Float64Array];
    const differences = ofA.map((value, r) => sign * (value - ofB[r]!));
    const [scoreA, scoreB] = pair.map(({ scorers }) => meanOfFolds(scorers.map((scorer) => scorer()))) as [
      number,
      number,
    ];
    const value = sign * (scoreA - scoreB);
    values.push(value);
    byTask[task] = differenceOf(value, differences);
    for (let r = 0; r < resamples; r++) total[r]! += differences[r]! / tasks.length;
  }
  return { tasks: byTask, mean: differenceOf(values.length === 0 ? NaN : meanOfFolds(values), total) };
}

const differenceOf = (value: number, distribution: Float64Array): Difference =>
  Number.isFinite(value)
    ? { value, ...percentileInterval(distribution, { value }) }
    : { value: null, low: null, high: null };

/** `b` in the order of `a`. */
function alignPredictions(task: string, a: readonly Prediction[], b: readonly Prediction[]): Prediction[] {
  const keyOf = ({ fold, file }: Prediction): string => `${fold}/${file}`;
  const others = new Map(b.map((prediction) => [keyOf(prediction), prediction]));
  if (a.length !== b.length || others.size !== b.length) {
    throw new DataError(
      `${task}: a paired difference needs the same clips; found ${a.length} and ${b.length} predictions`,
    );
  }
  return a.map((prediction) => {
    const other = others.get(keyOf(prediction));
    if (!other) throw new DataError(`${task}: clip ${keyOf(prediction)} was tested with one of the two models only`);
    if (prediction.labels.join() !== other.labels.join()) {
      throw new DataError(`${task}: clip ${keyOf(prediction)} has other true labels in the second model's predictions`);
    }
    return other;
  });
}
