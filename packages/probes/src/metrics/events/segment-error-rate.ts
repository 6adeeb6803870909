/** Segment-based error rate with cells of one second (sed_eval 0.2.1 `SegmentBasedMetrics`; hear.md §7.3). */
import type { TaskEvent } from '@unlabel/core';
import { defineEventMetric, type EventMetric, type EventPair } from './event-metric.ts';

/** sed_eval divides by the number of annotated cells plus this, so that files without events have a rate. */
const epsilon = 2 ** -52;

export const segmentErrorRate: EventMetric = defineEventMetric({
  higherIsBetter: false,
  bounds: [0, Infinity],
  count: countCells,
  score: ([errors = 0, annotated = 0]) => {
    const value = errors / (annotated + epsilon);
    return { value, parts: { error_rate: value } };
  },
});

/** Substitutions + deletions + insertions of a file, and its annotated cells, over labels and seconds. */
function countCells({ reference, estimated }: EventPair): readonly [number, number] {
  const annotated = cellsOf(reference);
  const found = cellsOf(estimated);
  let errors = 0;
  let total = 0;
  for (const second of new Set([...annotated.keys(), ...found.keys()])) {
    const [a, b] = [annotated.get(second) ?? new Set(), found.get(second) ?? new Set()];
    let both = 0;
    for (const label of a) if (b.has(label)) both++;
    // min(a, b) − both substituted, the rest of the larger set deleted or inserted
    errors += Math.max(a.size, b.size) - both;
    total += a.size;
  }
  return [errors, total];
}

/** Labels active in each second: an event fills ⌊onset⌋ … ⌈offset⌉ − 1. */
function cellsOf(events: readonly TaskEvent[]): Map<number, Set<number>> {
  const cells = new Map<number, Set<number>>();
  for (const { label, start, end } of events) {
    for (let second = Math.floor(start / 1000); second < Math.ceil(end / 1000); second++) {
      const labels = cells.get(second);
      if (labels) labels.add(label);
      else cells.set(second, new Set([label]));
    }
  }
  return cells;
}
