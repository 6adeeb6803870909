/** What an event metric is: files are counted once, and their counts summed (sed_eval's micro average). */
import type { TaskEvent } from '@unlabel/core';
import type { Scorer } from '../metric.ts';

/** What is annotated in a file, and what was found. */
export interface EventPair {
  readonly reference: readonly TaskEvent[];
  readonly estimated: readonly TaskEvent[];
}

export interface EventScore {
  /** The primary of the parts. NaN when undefined (nothing annotated or nothing found). */
  readonly value: number;
  /** By the names HEAR logs: `f_measure`, `precision`, `recall`; `error_rate`. */
  readonly parts: Readonly<Record<string, number>>;
}

export interface EventMetric {
  readonly higherIsBetter: boolean;
  readonly bounds: readonly [number, number];
  compute(pairs: readonly EventPair[]): EventScore;
  /** Counts each file once, so that a resample of files costs O(files). */
  prepare(pairs: readonly EventPair[]): Scorer;
}

/** A metric of sums: `count` gives a file's addends, `score` the value of the sums. */
export function defineEventMetric(definition: {
  readonly higherIsBetter: boolean;
  readonly bounds: readonly [number, number];
  readonly count: (pair: EventPair) => readonly number[];
  readonly score: (sums: readonly number[]) => EventScore;
}): EventMetric {
  const { higherIsBetter, bounds, count, score } = definition;
  return Object.freeze({
    higherIsBetter,
    bounds,
    compute: (pairs: readonly EventPair[]): EventScore => score(sumOf(pairs.map(count))),
    prepare: (pairs: readonly EventPair[]): Scorer => {
      const counted = pairs.map(count);
      return (counts) => score(sumOf(counted, counts)).value;
    },
  });
}

function sumOf(files: readonly (readonly number[])[], counts?: Int32Array): number[] {
  const sums: number[] = Array.from({ length: files[0]?.length ?? 0 }, () => 0);
  for (const [i, file] of files.entries()) {
    const times = counts?.[i] ?? 1;
    for (const [k, value] of file.entries()) sums[k]! += times * value;
  }
  return sums;
}
