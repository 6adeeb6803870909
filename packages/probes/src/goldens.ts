/** Golden targets of this package. Outputs and expectations are numbers called `<case id>.<metric>`. */
import { DataError, type GoldenFile, type GoldenOutputs, type GoldenTarget, type GoldenTools } from '@unlabel/core';
import { z } from 'zod';
import { isSceneMetric, metrics } from './metrics/table.ts';

/** A target whose golden keeps its expectations inside `cases`: the runner compares `run` with `expected`. */
export interface CaseGoldenTarget extends GoldenTarget {
  expected(golden: GoldenFile): Readonly<Record<string, number>>;
}

/** JSON has no NaN and no Infinity; the goldens write them as strings. */
const numberLike = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number)]);
const casesSchema = z.array(
  z.looseObject({
    id: z.string(),
    n: z.int().nonnegative(),
    C: z.int().positive(),
    expected: z.record(z.string(), numberLike),
  }),
);

function casesOf(golden: GoldenFile): z.output<typeof casesSchema> {
  const parsed = casesSchema.safeParse(golden.cases);
  if (!parsed.success) throw new DataError(`golden ${golden.name}: cases: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** Indices of the classes set in each row of a multi-hot target [n, C]. */
export function labelsOfMultiHot(target: ArrayLike<number>, n: number, classes: number): number[][] {
  return Array.from({ length: n }, (_, i) =>
    Array.from({ length: classes }, (_, c) => c).filter((c) => target[i * classes + c]! > 0),
  );
}

const hearSceneMetrics: CaseGoldenTarget = {
  run(golden: GoldenFile, tools: GoldenTools): GoldenOutputs {
    const outputs: Record<string, number> = {};
    for (const { id, n, C, expected } of casesOf(golden)) {
      const scores = tools.stored(`${id}.prediction`)?.data;
      const target = tools.stored(`${id}.target`)?.data;
      if (!(scores instanceof Float32Array || scores instanceof Float64Array) || target === undefined) {
        throw new DataError(`golden ${golden.name}: ${id}.prediction and ${id}.target must be stored float tensors`);
      }
      const input = { scores, labels: labelsOfMultiHot(target, n, C), classes: C };
      for (const name of Object.keys(expected)) {
        if (isSceneMetric(name)) outputs[`${id}.${name}`] = metrics[name].compute(input);
      }
    }
    return outputs;
  },
  expected(golden: GoldenFile): Record<string, number> {
    const expectations: Record<string, number> = {};
    for (const { id, expected } of casesOf(golden)) {
      for (const [name, value] of Object.entries(expected)) expectations[`${id}.${name}`] = value;
    }
    return expectations;
  },
};

export const goldens: Readonly<Record<string, CaseGoldenTarget>> = { 'hear-scene-metrics': hearSceneMetrics };
