/**
 * Event-based F-measure, micro over all files (sed_eval 0.2.1 `EventBasedMetrics` with optimal matching; hear.md §7.2).
 * Times are compared in seconds after a division by 1,000, as heareval does: on a collar's edge the last bit decides.
 */
import type { TaskEvent } from '@unlabel/core';
import { defineEventMetric, type EventMetric, type EventPair } from './event-metric.ts';
import { maximumMatching } from './matching.ts';

export interface EventCollar {
  /** Largest difference of onsets, in seconds, inclusive. */
  readonly onset: number;
  /** When given, offsets must also agree: within the larger of `onset` and this share of the annotated length. */
  readonly offsetShare?: number;
}

export const eventFMeasure = (collar: EventCollar): EventMetric =>
  defineEventMetric({
    higherIsBetter: true,
    bounds: [0, 1],
    count: (pair) => [hitsOf(pair, collar), pair.reference.length, pair.estimated.length],
    score: ([hits = 0, annotated = 0, found = 0]) => {
      const precision = found === 0 ? NaN : hits / found;
      const recall = annotated === 0 ? NaN : hits / annotated;
      const sum = precision + recall;
      const value = sum === 0 ? 0 : (2 * precision * recall) / sum;
      return { value, parts: { f_measure: value, precision, recall } };
    },
  });

interface Timed {
  readonly onset: number;
  readonly offset: number;
}

/** Size of the largest one-to-one matching of found with annotated events of equal label. */
function hitsOf({ reference, estimated }: EventPair, collar: EventCollar): number {
  const found = byLabel(estimated);
  let hits = 0;
  for (const [label, events] of byLabel(reference)) {
    const candidates = found.get(label);
    if (candidates) hits += maximumMatching(neighboursOf(events, candidates, collar), candidates.length);
  }
  return hits;
}

function byLabel(events: readonly TaskEvent[]): Map<number, Timed[]> {
  const groups = new Map<number, Timed[]>();
  for (const { label, start, end } of events) {
    const event = { onset: start / 1000, offset: end / 1000 };
    const group = groups.get(label);
    if (group) group.push(event);
    else groups.set(label, [event]);
  }
  for (const group of groups.values()) group.sort((a, b) => a.onset - b.onset);
  return groups;
}

/** For each annotated event the found ones it may match; both lists are in the order of their onsets. */
function neighboursOf(annotated: readonly Timed[], found: readonly Timed[], collar: EventCollar): number[][] {
  const { onset: reach, offsetShare } = collar;
  let first = 0;
  return annotated.map(({ onset, offset }) => {
    // Onsets rise, so what lies before the collar of one event lies before the next one's as well.
    while (first < found.length && onset - found[first]!.onset > reach) first++;
    const row: number[] = [];
    const offsetReach = offsetShare === undefined ? Infinity : Math.max(reach, offsetShare * (offset - onset));
    for (let j = first; j < found.length && found[j]!.onset - onset <= reach; j++) {
      if (Math.abs(offset - found[j]!.offset) <= offsetReach) row.push(j);
    }
    return row;
  });
}
