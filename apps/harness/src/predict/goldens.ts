/** Golden target of HEAR's predictor: scores of the predictions that the official tool stored (hear-eval-kit 2021.1.3). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, parseConfig, type GoldenFile, type GoldenOutputs, type GoldenTarget } from '@unlabel/core';
import { parseSafetensors } from '@unlabel/formats';
import { eventMetricOf, eventsOfFrames, isEventMetric, labelsOfMultiHot, metricOf } from '@unlabel/probes';
import { z } from 'zod';
import { readEmbeddingDir } from './embedding-dir.ts';

const numberLike = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number)]);
const valueSchema = z.union([numberLike, z.record(z.string(), numberLike)]);
const tasksSchema = z.array(
  z.looseObject({
    task: z.string(),
    metrics_recomputed_from_stored_predictions: z.record(z.string(), z.record(z.string(), valueSchema)),
  }),
);
const scoresSchema = z.looseObject({
  postprocessing: z.array(z.tuple([z.enum(['median_filter_ms', 'min_duration']), z.number()])),
});

type Tasks = z.output<typeof tasksSchema>;
const tasksOf = (golden: GoldenFile): Tasks =>
  parseConfig(tasksSchema, (golden as unknown as Record<string, unknown>)['tasks'], `golden ${golden.name}: tasks`);

/** `<task>.<split>.<metric>` and, for events, `.<part>`. */
function flattened(
  prefix: string,
  value: Tasks[number]['metrics_recomputed_from_stored_predictions'][string][string],
): [string, number][] {
  if (typeof value === 'number') return [[prefix, value]];
  return Object.entries(value).map(([part, of]): [string, number] => [`${prefix}.${part}`, of]);
}

async function scoresOfTask(dir: string, one: Tasks[number]): Promise<[string, number][]> {
  const { task, embedded } = await readEmbeddingDir(join(dir, one.task));
  const stored = parseSafetensors(await readFile(join(dir, one.task, 'expected.predictions.safetensors')));
  const classes = task.vocabulary.length;
  const found: [string, number][] = [];
  for (const [split, expected] of Object.entries(one.metrics_recomputed_from_stored_predictions)) {
    const scores = stored.read(`${split}.prediction`).data as Float32Array;
    const target = stored.read(`${split}.target`).data as Float32Array;
    for (const name of Object.keys(expected)) {
      const prefix = `${one.task}.${split}.${name}`;
      if (!isEventMetric(name)) {
        const labels = labelsOfMultiHot(target, target.length / classes, classes);
        found.push([prefix, metricOf(name).compute({ scores, labels, classes, vocabulary: task.vocabulary })]);
        continue;
      }
      const frames = embedded.get(split)?.frames;
      if (!frames) throw new DataError(`golden: ${one.task}, split ${split} has no frames`);
      const settings = await settingsOf(join(dir, one.task, 'expected.test.predicted-scores.json'));
      const pairs = frames.events.map((reference, i) => {
        const [from, to] = [frames.offsets[i]!, frames.offsets[i + 1]!];
        const part = scores.subarray(from * classes, to * classes);
        return { reference, estimated: eventsOfFrames(part, frames.timestamps.subarray(from, to), classes, settings) };
      });
      found.push(...flattened(prefix, { ...eventMetricOf(name).compute(pairs).parts }));
    }
  }
  return found;
}

async function settingsOf(path: string): Promise<{ medianFilterMs: number; minDuration: number }> {
  const { postprocessing } = parseConfig(scoresSchema, JSON.parse(await readFile(path, 'utf8')), path);
  const values = Object.fromEntries(postprocessing);
  return { medianFilterMs: values['median_filter_ms'] ?? 0, minDuration: values['min_duration'] ?? 0 };
}

export const hearPredictor: GoldenTarget & { expected(golden: GoldenFile): GoldenOutputs } = {
  run: async (golden, tools) =>
    Object.fromEntries((await Promise.all(tasksOf(golden).map((one) => scoresOfTask(tools.dir, one)))).flat()),
  expected: (golden) =>
    Object.fromEntries(
      tasksOf(golden).flatMap(({ task, metrics_recomputed_from_stored_predictions: splits }) =>
        Object.entries(splits).flatMap(([split, metrics]) =>
          Object.entries(metrics).flatMap(([name, value]) => flattened(`${task}.${split}.${name}`, value)),
        ),
      ),
    ),
};
