/** Golden target of the few-shot classifiers: fixed episodes, exact predictions. */
import {
  DataError,
  type GoldenFile,
  type GoldenOutputs,
  type GoldenTarget,
  type NdArray,
  type TypedArray,
} from '@unlabel/core';
import { z } from 'zod';
import { centroid, cl2n, cosine, logistic, type FewShotClassifier } from './classifiers.ts';
import type { Episodes } from './episodes.ts';
import { createFewShotRunner } from './few-shot.ts';
import { summarizeEpisodes } from './summary.ts';

const summarySchema = z.object({ mean: z.number(), sd_population: z.number(), ci95: z.number() });
const schema = z.looseObject({
  config: z.looseObject({ per_class: z.int() }),
  results: z.array(
    z.looseObject({
      key: z.string(), n_way: z.int(), k_shot: z.int(), q_queries: z.int(), episodes: z.int(),
      centroid: summarySchema, logreg: summarySchema, cl2n: summarySchema, cosine: summarySchema,
    }),
  ),
}); // prettier-ignore

const parsed = (golden: GoldenFile): z.output<typeof schema> => {
  const result = schema.safeParse(golden);
  if (!result.success) throw new DataError(`golden ${golden.name}: ${z.prettifyError(result.error)}`);
  return result.data;
};

const classifiers: readonly (readonly [
  name: 'centroid' | 'logreg' | 'cl2n' | 'cosine',
  classifier: FewShotClassifier,
])[] = [
  ['centroid', centroid],
  ['logreg', logistic],
  ['cl2n', cl2n],
  ['cosine', cosine],
];

/** Softmax of the N scores at `at`, into `into`. */
function softmax(scores: Float64Array, at: number, ways: number): Float64Array {
  const row = scores.subarray(at, at + ways);
  const top = Math.max(...row);
  const powers = row.map((score) => Math.exp(score - top));
  const sum = powers.reduce((x, y) => x + y, 0);
  return powers.map((power) => power / sum);
}

/** The golden's features as clips of one window each, and its episodes. */
export function goldenEpisodes(golden: GoldenFile, stored: (name: string) => NdArray<TypedArray> | undefined) {
  const { config, results } = parsed(golden);
  const want = <T extends TypedArray>(name: string, type: new (n: number) => T): NdArray<T> => {
    const tensor = stored(name);
    if (!(tensor?.data instanceof type)) throw new DataError(`golden ${golden.name}: expected a stored ${name}`);
    return { data: tensor.data, shape: tensor.shape };
  };
  const features = want('features', Float32Array);
  const clips = {
    embeddings: { data: features.data, width: features.shape[1]! },
    offsets: Int32Array.from({ length: features.shape[0]! + 1 }, (_, i) => i),
  };
  const runs = results.map(({ key, n_way: ways, k_shot: shots, q_queries: queries, episodes: count }) => {
    const support = want(`${key}.support`, Int32Array).data;
    const classes = support.filter((_, i) => i % shots === 0).map((row) => Math.floor(row / config.per_class));
    const query = want(`${key}.query`, Int32Array).data;
    const episodes: Episodes = {
      ways, shots, queries, episodes: count, classes, support, query, draws: new Float64Array(support.length),
    }; // prettier-ignore
    return { key, episodes };
  });
  return { clips, runs };
}

const fewShotEpisodes: GoldenTarget & { expected(golden: GoldenFile): GoldenOutputs } = {
  run(golden, tools) {
    const { clips, runs } = goldenEpisodes(golden, (name) => tools.stored(name));
    const runner = createFewShotRunner(clips);
    const outputs: Record<string, NdArray<TypedArray> | number> = {};
    for (const { key, episodes } of runs) {
      const { ways, queries, episodes: count } = episodes;
      const tested = ways * queries;
      for (const [name, classifier] of classifiers) {
        const probabilities = new Float64Array(count * tested * ways);
        const onScores = (e: number, scores: Float64Array): void => {
          for (let t = 0; t < tested; t++) probabilities.set(softmax(scores, t * ways, ways), (e * tested + t) * ways);
        };
        const { predictions, correct } = runner.run(classifier, episodes, { onScores });
        outputs[`${key}.pred_${name}`] = { data: Int32Array.from(predictions), shape: [count, tested] };
        if (name === 'logreg') outputs[`${key}.prob_logreg`] = { data: probabilities, shape: [count, tested, ways] };
        if (name === 'centroid') {
          const loss = Float64Array.from({ length: count }, (_, e) => {
            let sum = 0;
            for (let t = 0; t < tested; t++) {
              sum -= Math.log(probabilities[(e * tested + t) * ways + Math.floor(t / queries)]!) / tested;
            }
            return sum;
          });
          outputs[`${key}.loss_centroid`] = { data: loss, shape: [count] };
        }
        const { mean, sd, ci95 } = summarizeEpisodes(correct, episodes);
        for (const [field, value] of Object.entries({ mean, sd_population: sd, ci95 })) {
          outputs[`${key}.${name}.${field}`] = Math.round(value * 100 * 1e9) / 1e9;
        }
      }
    }
    return outputs;
  },
  expected(golden) {
    const expected: Record<string, number> = {};
    for (const result of parsed(golden).results) {
      for (const [name] of classifiers) {
        for (const [field, value] of Object.entries(result[name])) {
          expected[`${result.key}.${name}.${field}`] = Math.round(value * 1e9) / 1e9;
        }
      }
    }
    return expected;
  },
};

export const fewShotGoldens = { 'few-shot-episodes': fewShotEpisodes };
