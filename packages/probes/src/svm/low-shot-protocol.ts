/**
 * `voc07-lowshot/v1`: low-shot VOC07 classification (`low-shot.ts`) with training sets of its own: mean AP at each number of positive
 * images a class, over five samples. Intervals are those of the samples' mean, not of test images.
 */
import { DataError, type MetricValue } from '@unlabel/core';
import { z } from 'zod';
import {
  embeddingsOf,
  type FitInput,
  type Measured,
  type MeasuredProtocol,
  type ProbeSplit,
} from '../protocol-types.ts';
import { lowShots, runLowShot, type LowShotScore } from './low-shot.ts';
import { flagsOf, sortedByName } from './protocol.ts';
import { svmCosts } from './voc-svm.ts';

const optionsSchema = z.strictObject({
  costs: z
    .enum(['vissl', 'fair', 'obow'])
    .default('vissl')
    .meta({ title: 'Costs tried; the best on test is reported' }),
  shots: z
    .array(z.int().positive())
    .min(1)
    .default([...lowShots])
    .meta({ title: 'Positive images a class', symbol: 'k' }),
  samples: z.int().min(1).default(5),
});

/** 97.5 % quantile of Student's t by degrees of freedom, from 1. */
const studentT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];

export const vocLowShot = {
  id: 'voc07-lowshot/v1',
  title:
    'Low-shot VOC07: linear SVMs on 1 to 96 positive images a class, mean of five samples, cost chosen on test (FAIR)',
  options: optionsSchema,
  crop: 'stretch',
  measure(
    input: Pick<FitInput, 'train' | 'valid' | 'classes' | 'rng' | 'onProgress'>,
    test: ProbeSplit,
    given,
  ): Measured {
    const { costs, shots, samples } = optionsSchema.parse(given);
    const { train, valid, classes, rng, onProgress } = input;
    if (classes < 2) throw new DataError('voc07-lowshot/v1: a task of one class has no images without it to draw from');
    const imagesOf = (split: ProbeSplit) => ({ embeddings: embeddingsOf(split), flags: flagsOf(split, classes) });
    const known = imagesOf(sortedByName([train, valid]));
    const options = { costs: svmCosts[costs], shots, samples, rng: rng.fork('low-shot'), onProgress };
    const scores = runLowShot(known, imagesOf(test), classes, options);
    const mean = scores.reduce((sum, one) => sum + one.mean, 0) / scores.length;
    const ks = scores.map(({ k }) => k).join(', ');
    const left = shots.filter((k) => !scores.some((one) => one.k === k));
    return {
      metrics: {
        voc_ap_mean: {
          value: mean,
          low: null,
          high: null,
          higherIsBetter: true,
          note: `mean over k = ${ks}${left.length > 0 ? `; some class has fewer than ${left.join(', ')} positive images` : ''}`,
        },
        ...Object.fromEntries(scores.map((one) => [`voc_ap_k${one.k}`, valueOf(one)])),
      },
      selection: scores.map(({ k, cost, samples: aps, deviation }) => ({
        k,
        cost,
        samples: aps,
        deviation,
        least: Math.min(...aps),
        most: Math.max(...aps),
      })),
    };
  },
} satisfies MeasuredProtocol;

/** Student's interval of the mean of the samples. */
function valueOf({ mean, deviation, samples, k, cost }: LowShotScore): MetricValue {
  const n = samples.length;
  const note = `${k} positive images a class, ${n} samples, cost ${cost} chosen on test`;
  if (n < 2) return { value: mean, low: null, high: null, higherIsBetter: true, note };
  const half = ((studentT[n - 2] ?? 1.96) * deviation) / Math.sqrt(n);
  const [low, high] = [Math.max(0, mean - half), Math.min(1, mean + half)];
  return { value: mean, low, high, higherIsBetter: true, note: `${note}; interval over samples` };
}
