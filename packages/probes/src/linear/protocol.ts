/** `linear/v1`: the linear probe with its L2 strength chosen on validation. */
import { z } from 'zod';
import { finite } from '../chance.ts';
import { embeddingsOf, type FitInput, type ProbeSplit, type Protocol } from '../protocol-types.ts';
import { fitLinear } from './linear.ts';

const optionsSchema = z.strictObject({
  strengths: z
    .array(z.number().positive())
    .min(1)
    .default([10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.001])
    .meta({ title: 'L2 strengths tried: inverse prior variance of a logit' }),
  tolerance: z
    .number()
    .nonnegative()
    .default(1e-5) // scores of real tasks move by a clip in a thousand to 1e-7, which takes twice as long
    .meta({ title: 'Relative distance to the minimum at which a fit stops' }),
  maxIterations: z.int().positive().default(300),
});

export const linear = {
  id: 'linear/v1',
  title: 'Logistic regression on standardised frozen embeddings, L2 chosen on validation',
  options: optionsSchema,
  fit({ train, valid, classes, predictionType, select }: FitInput, given: Readonly<Record<string, unknown>>) {
    const { strengths, ...options } = optionsSchema.parse(given);
    const path = fitLinear(
      { embeddings: embeddingsOf(train), labels: train.labels, classes, predictionType },
      strengths,
      options,
    );
    const projected = path.project(embeddingsOf(valid));
    const tried = strengths
      .map((strength, i) => ({ strength, point: path.points[i]! }))
      .sort((a, b) => b.strength - a.strength)
      .map(({ strength, point }) => {
        const scores = path.scores(point, projected);
        return { strength, point, value: select(scores), loss: logLoss(scores, valid.labels, classes, predictionType) };
      });
    // Strongest first and strictly better: ties go to the stronger. Without a defined metric, the validation loss decides.
    const isDefined = tried.some(({ value }) => !Number.isNaN(value));
    const best = tried.reduce((a, b) =>
      (isDefined ? b.value > a.value || (Number.isNaN(a.value) && !Number.isNaN(b.value)) : b.loss < a.loss) ? b : a,
    );
    return {
      scores: (split: ProbeSplit) => path.scores(best.point, path.project(embeddingsOf(split))),
      selection: {
        strength: best.strength,
        l2: best.point.l2,
        validation: finite(best.value),
        iterations: tried.reduce((sum, { point }) => sum + point.iterations, 0),
        converged: best.point.converged,
      },
    };
  },
} satisfies Protocol;

function logLoss(
  scores: Float64Array,
  labels: readonly (readonly number[])[],
  classes: number,
  predictionType: string,
): number {
  let sum = 0;
  for (const [i, row] of labels.entries()) {
    for (let c = 0; c < classes; c++) {
      const p = Math.min(Math.max(scores[i * classes + c]!, 1e-15), 1 - 1e-15);
      if (row.includes(c)) sum -= Math.log(p);
      else if (predictionType === 'multilabel') sum -= Math.log(1 - p);
    }
  }
  return sum / labels.length;
}
