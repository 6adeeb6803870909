/** Golden targets of event metrics and post-processing (heareval 2021.1.3 with sed_eval 0.2.1, scipy's median filter). */
import {
  DataError,
  parseConfig,
  type GoldenFile,
  type GoldenOutputs,
  type GoldenTarget,
  type GoldenTools,
  type NdArray,
  type TaskEvent,
} from '@unlabel/core';
import { z } from 'zod';
import type { EventPair } from './event-metric.ts';
import { medianFilter } from './median-filter.ts';
import { eventsOfFrames, postprocessingGrid } from './post-processing.ts';
import { eventMetrics } from './table.ts';

/** A target whose golden keeps its expectations in its json: the runner compares `run` with `expected`. */
export interface EventGoldenTarget extends GoldenTarget {
  expected(golden: GoldenFile): GoldenOutputs;
}

const numberLike = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number)]);
const eventSchema = z.object({ label: z.string(), start: z.number(), end: z.number() });
const filesSchema = z.record(z.string(), z.array(eventSchema));
const scoresSchema = z.record(z.string(), z.record(z.string(), numberLike));
const listCasesSchema = z.array(
  z.looseObject({
    id: z.string(),
    labels: z.array(z.string()),
    targets: filesSchema,
    predictions: filesSchema,
    scores: scoresSchema,
  }),
);

const settingsSchema = z
  .tuple([z.tuple([z.literal('median_filter_ms'), z.number()]), z.tuple([z.literal('min_duration'), z.number()])])
  .transform(([[, medianFilterMs], [, minDuration]]) => ({ medianFilterMs, minDuration }));
const frameCasesSchema = z.array(
  z.looseObject({
    id: z.string(),
    labels: z.array(z.string()),
    frames_per_file: z.array(z.tuple([z.string(), z.int()])),
    targets: filesSchema,
    grid: z.record(z.string(), z.array(z.number())),
    results: z.array(
      z.looseObject({
        postprocessing: settingsSchema,
        n_events: z.int(),
        predicted_events: filesSchema.nullish(),
        scores: scoresSchema,
      }),
    ),
    best_postprocessing_by_event_onset_200ms: settingsSchema,
  }),
);

type NamedEvents = z.output<typeof filesSchema>;

const eventsOf = (named: NamedEvents[string] | undefined, labels: readonly string[]): TaskEvent[] =>
  (named ?? []).map(({ label, start, end }) => ({ label: labels.indexOf(label), start, end }));

function partsOf(id: string, pairs: readonly EventPair[], names: readonly string[]): [string, number][] {
  return names.flatMap((name) => {
    const metric = eventMetrics[name];
    if (!metric) return [];
    return Object.entries(metric.compute(pairs).parts).map(([part, value]): [string, number] => [
      `${id}.${name}.${part}`,
      value,
    ]);
  });
}

const namesOf = (id: string, scores: z.output<typeof scoresSchema>): [string, number][] =>
  Object.entries(scores).flatMap(([name, parts]) =>
    Object.entries(parts).map(([part, value]): [string, number] => [`${id}.${name}.${part}`, value]),
  );

const lists: EventGoldenTarget = {
  run: (golden) =>
    Object.fromEntries(
      casesOf(listCasesSchema, golden).flatMap(({ id, labels, targets, predictions, scores }) => {
        const files = [...new Set([...Object.keys(targets), ...Object.keys(predictions)])];
        const pairs = files.map((file) => ({
          reference: eventsOf(targets[file], labels),
          estimated: eventsOf(predictions[file], labels),
        }));
        return partsOf(id, pairs, Object.keys(scores));
      }),
    ),
  expected: (golden) =>
    Object.fromEntries(casesOf(listCasesSchema, golden).flatMap(({ id, scores }) => namesOf(id, scores))),
};

/** `<case>.<setting>`: events of each file, as rows of label, start and end. */
const eventRows = (events: readonly TaskEvent[]): NdArray<Float64Array> => ({
  // Equal starts have no order of their own.
  data: Float64Array.from(
    events
      .toSorted((a, b) => a.start - b.start || a.label - b.label || a.end - b.end)
      .flatMap(({ label, start, end }) => [label, start, end]),
  ),
  shape: [events.length, 3],
});

const frames: EventGoldenTarget = {
  run(golden, tools) {
    const outputs: Record<string, number | NdArray<Float64Array>> = {};
    for (const one of casesOf(frameCasesSchema, golden)) {
      const { id, labels, targets, results } = one;
      const files = splitFiles(golden, tools, one);
      const scored = results.map((result, r) => {
        const pairs = files.map(({ file, scores, timestamps }) => ({
          file,
          reference: eventsOf(targets[file], labels),
          estimated: eventsOfFrames(scores, timestamps, labels.length, result.postprocessing),
        }));
        Object.assign(outputs, Object.fromEntries(partsOf(`${id}.${r}`, pairs, Object.keys(result.scores))));
        outputs[`${id}.${r}.events`] = pairs.reduce((sum, { estimated }) => sum + estimated.length, 0);
        if (result.predicted_events) {
          for (const { file, estimated } of pairs) outputs[`${id}.${r}.${file}`] = eventRows(estimated);
        }
        return { settings: result.postprocessing, value: eventMetrics['event_onset_200ms_fms']!.compute(pairs).value };
      });
      let best = { settings: scored[0]!.settings, value: -1 };
      for (const settings of postprocessingGrid({ event_postprocessing_grid: one.grid })) {
        const found = scored.find(
          (entry) =>
            entry.settings.medianFilterMs === settings.medianFilterMs &&
            entry.settings.minDuration === settings.minDuration,
        );
        const value = Number.isNaN(found?.value) ? 0 : (found?.value ?? -1);
        if (value > best.value) best = { settings, value };
      }
      outputs[`${id}.best.median`] = best.settings.medianFilterMs;
      outputs[`${id}.best.duration`] = best.settings.minDuration;
    }
    return outputs;
  },
  expected(golden) {
    const outputs: Record<string, number | NdArray<Float64Array>> = {};
    for (const one of casesOf(frameCasesSchema, golden)) {
      const { id, labels, results, frames_per_file: files } = one;
      for (const [r, { scores, n_events: count, predicted_events: events }] of results.entries()) {
        Object.assign(outputs, Object.fromEntries(namesOf(`${id}.${r}`, scores)));
        outputs[`${id}.${r}.events`] = count;
        if (events) {
          for (const [file] of files) outputs[`${id}.${r}.${file}`] = eventRows(eventsOf(events[file], labels));
        }
      }
      outputs[`${id}.best.median`] = one.best_postprocessing_by_event_onset_200ms.medianFilterMs;
      outputs[`${id}.best.duration`] = one.best_postprocessing_by_event_onset_200ms.minDuration;
    }
    return outputs;
  },
};

function splitFiles(
  golden: GoldenFile,
  tools: GoldenTools,
  { id, labels, frames_per_file: files }: z.output<typeof frameCasesSchema>[number],
): { file: string; scores: ArrayLike<number>; timestamps: ArrayLike<number> }[] {
  const scores = tools.stored(`${id}.prediction`)?.data;
  const timestamps = tools.stored(`${id}.timestamp_ms`)?.data;
  if (!scores || !timestamps || typeof scores[0] === 'bigint' || typeof timestamps[0] === 'bigint') {
    throw new DataError(`golden ${golden.name}: ${id}.prediction and ${id}.timestamp_ms must be stored float tensors`);
  }
  let row = 0;
  return files.map(([file, count]) => {
    const part = {
      file,
      scores: scores.subarray(row * labels.length, (row + count) * labels.length) as Float32Array,
      timestamps: timestamps.subarray(row, row + count) as Float64Array,
    };
    row += count;
    return part;
  });
}

const medianCasesSchema = z.array(
  z.object({ x: z.array(z.array(z.number())), k: z.int().positive(), y: z.array(z.array(z.number())) }),
);
const columnsOf = (rows: readonly (readonly number[])[]): number[][] =>
  (rows[0] ?? []).map((_, c) => rows.map((row) => row[c]!));

const median: EventGoldenTarget = {
  run: (golden) =>
    Object.fromEntries(
      casesOf(medianCasesSchema, golden).flatMap(({ x, k }, i) =>
        columnsOf(x).map((column, c) => [`${i}.${c}`, { data: medianFilter(column, k), shape: [column.length] }]),
      ),
    ),
  expected: (golden) =>
    Object.fromEntries(
      casesOf(medianCasesSchema, golden).flatMap(({ y }, i) =>
        columnsOf(y).map((column, c) => [`${i}.${c}`, { data: Float64Array.from(column), shape: [column.length] }]),
      ),
    ),
};

const casesOf = <T>(schema: z.ZodType<T>, golden: GoldenFile): T =>
  parseConfig(schema, golden.cases, `golden ${golden.name}: cases`);

export const eventGoldens: Readonly<Record<string, EventGoldenTarget>> = {
  'hear-event-lists': lists,
  'hear-event-metrics': frames,
  'hear-median-filter': median,
};
