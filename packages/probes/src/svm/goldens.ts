/** Golden target of the SVM protocol: features as bytes over 32, labels 1 present, 0 absent, −1 ignored. */
import {
  DataError,
  type GoldenFile,
  type GoldenOutputs,
  type GoldenTarget,
  type GoldenTools,
  type NdArray,
  type TypedArray,
} from '@unlabel/core';
import { z } from 'zod';
import { stratifiedFolds } from './folds.ts';
import { fitVocSvm, type LabelledImages } from './voc-svm.ts';

export interface SvmGoldenTarget extends GoldenTarget {
  expected(golden: GoldenFile): GoldenOutputs;
}

const schema = z.looseObject({
  config: z.looseObject({ costs: z.array(z.number()), cv: z.int() }),
  per_class: z.array(
    z.looseObject({
      cv_ap_converged: z.array(z.number()),
      chosen_cost_converged: z.number(),
      test_ap_converged: z.number(),
      intercept_converged: z.number(),
      fold_of_row: z.array(z.number()),
    }),
  ),
  mean_test_ap_converged: z.number(),
});

function parsed(golden: GoldenFile): z.output<typeof schema> {
  const result = schema.safeParse(golden);
  if (!result.success) throw new DataError(`golden ${golden.name}: ${z.prettifyError(result.error)}`);
  return result.data;
}

/** Present 1, absent 0, ignored −1 → the flags of the class files. */
const flagOf = (label: number): number => (label === 1 ? 1 : label === 0 ? -1 : 0);

function imagesOf({ name }: GoldenFile, tools: GoldenTools, part: 'train' | 'test'): LabelledImages {
  const [features, labels] = [tools.stored(`${part}_u8`), tools.stored(`${part}_labels`)];
  if (!features || !labels) throw new DataError(`golden ${name}: expected ${part}_u8 and ${part}_labels`);
  const data = Float64Array.from(features.data, (value) => value / 32);
  return { embeddings: { data, width: features.shape[1]! }, flags: Array.from(labels.data, flagOf) };
}

const vector = (values: readonly number[]): NdArray<TypedArray> => ({
  data: Float64Array.from(values),
  shape: [values.length],
});

const vocSvm: SvmGoldenTarget = {
  run(golden, tools) {
    const { config, per_class: classes } = parsed(golden);
    const [train, test] = [imagesOf(golden, tools, 'train'), imagesOf(golden, tools, 'test')];
    const K = classes.length;
    const result = fitVocSvm(train, test, K, { costs: config.costs, folds: config.cv });
    const outputs: Record<string, NdArray<TypedArray> | number> = { 'mean.test_ap_converged': result.meanAp };
    result.classes.forEach(({ validation, cost, testAp, weights }, c) => {
      const labels = Array.from({ length: train.flags.length / K }, (_, i) => (train.flags[i * K + c] === 1 ? 1 : -1));
      Object.assign(outputs, {
        [`${c}.cv_ap_converged`]: vector(validation),
        [`${c}.chosen_cost`]: cost,
        [`${c}.test_ap_converged`]: testAp,
        [`${c}.intercept.decision_converged`]: weights.at(-1)!,
        [`${c}.fold_of_row`]: vector([...stratifiedFolds(labels, config.cv)]),
      });
    });
    const decisions = result.classes.flatMap((one) => [...one.decisions]);
    outputs['decision_converged'] = { data: Float64Array.from(decisions), shape: [K, decisions.length / K] };
    return outputs;
  },
  expected(golden) {
    const { per_class: classes, mean_test_ap_converged: mean } = parsed(golden);
    const expected: Record<string, NdArray<TypedArray> | number> = { 'mean.test_ap_converged': mean };
    classes.forEach((one, c) => {
      Object.assign(expected, {
        [`${c}.cv_ap_converged`]: vector(one.cv_ap_converged),
        [`${c}.chosen_cost`]: one.chosen_cost_converged,
        [`${c}.test_ap_converged`]: one.test_ap_converged,
        [`${c}.intercept.decision_converged`]: one.intercept_converged,
        [`${c}.fold_of_row`]: vector(one.fold_of_row),
      });
    });
    return expected;
  },
};

export const svmGoldens: Readonly<Record<string, SvmGoldenTarget>> = { 'voc07-svm': vocSvm };
