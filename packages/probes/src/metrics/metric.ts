/**
 * What a metric is. Definitions follow the HEAR 2021 evaluation (heareval 2021.1.3 with scikit-learn ≥ 1.9).
 *
 * Legend: n clips, C classes.
 */
import { DataError } from '@unlabel/core';

export interface MetricInput {
  /** Scores [n, C] row-major: softmax (multiclass) or sigmoid (multilabel); only their order matters to most metrics. */
  readonly scores: Float32Array | Float64Array;
  /** Indices of the true classes of each clip: one for multiclass, zero or more for multilabel. */
  readonly labels: readonly (readonly number[])[];
  /** Classes for which each clip counts neither way; only VOC's metric reads it. */
  readonly ignored?: readonly (readonly number[])[] | undefined;
  /** C. */
  readonly classes: number;
  /** Names of the classes; `chroma_acc` reads the pitches from it when all of them are whole numbers. */
  readonly vocabulary?: readonly string[] | undefined;
}

/**
 * The metric of the prepared clips when clip i is counted `counts[i]` times (once each without `counts`). With `counts`,
 * a class that lost all of its positives, or all of its negatives, by resampling is left out of a mean over classes; without
 * it, the golden rules for such classes hold (AP 0, AUC NaN).
 */
export type Scorer = (counts?: Int32Array) => number;

export interface Metric {
  readonly higherIsBetter: boolean;
  /** Smallest and largest value it can take. */
  readonly bounds: readonly [number, number];
  /** Sorts and counts once, so that each call of the scorer is O(n·C). */
  prepare(input: MetricInput): Scorer;
  /** Value in float64; NaN when undefined (one-class AUC), ±Infinity where the definition gives it (d′ of AUC 1). */
  compute(input: MetricInput): number;
}

/** A metric from its scorer, with the input checked before use. */
export function defineMetric(definition: Omit<Metric, 'compute'>): Metric {
  const prepare = (input: MetricInput): Scorer => {
    checkInput(input);
    return definition.prepare(input);
  };
  return Object.freeze({
    ...definition,
    prepare,
    compute: (input: MetricInput): number => prepare(input)(),
  });
}

function checkInput({ scores, labels, classes }: MetricInput): void {
  if (!(Number.isInteger(classes) && classes > 0))
    throw new DataError(`metric: expected at least one class, found ${classes}`);
  if (scores.length !== labels.length * classes) {
    throw new DataError(
      `metric: expected scores [${labels.length}, ${classes}] = ${labels.length * classes} values, found ${scores.length}`,
    );
  }
  for (let i = 0; i < scores.length; i++) {
    if (Number.isNaN(scores[i]!)) {
      throw new DataError(`metric: the score of clip ${Math.floor(i / classes)}, class ${i % classes} is NaN`);
    }
  }
  for (const [i, row] of labels.entries()) {
    for (const label of row) {
      if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
        throw new DataError(`metric: clip ${i} has label ${label}; expected 0…${classes - 1}`);
      }
    }
  }
}

/** Clip order by falling score of one class, the ends of its groups of equal scores, and which clips are positive. */
export interface RankedClass {
  readonly order: Int32Array;
  /** Exclusive ends of the groups of ties in `order`. */
  readonly groupEnds: Int32Array;
  /** 1 where the clip has the class, by clip index. */
  readonly isPositive: Uint8Array;
  readonly positives: number;
}

/** Ranks the clips of each class. O(C n log n). */
export function rankClasses({ scores, labels, classes }: MetricInput): RankedClass[] {
  const n = labels.length;
  const positive = Array.from({ length: classes }, () => new Uint8Array(n));
  for (const [i, row] of labels.entries()) for (const label of row) positive[label]![i] = 1;
  return positive.map((isPositive, c) => {
    const column = new Float64Array(n);
    for (let i = 0; i < n; i++) column[i] = scores[i * classes + c]!;
    const order = Int32Array.from({ length: n }, (_, i) => i).sort((a, b) => column[b]! - column[a]! || a - b);
    const ends: number[] = [];
    for (let k = 0; k < n; k++) if (k === n - 1 || column[order[k]!] !== column[order[k + 1]!]) ends.push(k + 1);
    return {
      order,
      groupEnds: Int32Array.from(ends),
      isPositive,
      positives: isPositive.reduce((sum, flag) => sum + flag, 0),
    };
  });
}

/** Mean over classes of `ofClass`, where undefined means that the class is left out; NaN when none is left. */
export function meanOverClasses(
  ranked: readonly RankedClass[],
  ofClass: (c: RankedClass) => number | undefined,
): number {
  let sum = 0;
  let count = 0;
  for (const c of ranked) {
    const value = ofClass(c);
    if (value === undefined) continue;
    sum += value;
    count++;
  }
  return count === 0 ? NaN : sum / count;
}
