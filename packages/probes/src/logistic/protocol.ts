/**
 * `logistic/v1`: a quick look. Logistic regression on standardised embeddings at scikit-learn's default C, without a grid: one fit
 * a fold, and no validation clip is looked at but to report its score. `linear/v1` chooses the strength and is the protocol to cite.
 */
import { z } from 'zod';
import { finite } from '../chance.ts';
import { fitStandardizer } from '../embeddings.ts';
import { fitLinear } from '../linear/linear.ts';
import { embeddingsOf, type FitInput, type ProbeSplit, type Protocol } from '../protocol-types.ts';

const optionsSchema = z.strictObject({
  C: z.number().positive().default(1).meta({ title: 'Inverse of the L2 penalty, as scikit-learn counts it' }),
});

export const logistic = {
  id: 'logistic/v1',
  title: 'A quick look: logistic regression on standardised frozen embeddings, C = 1',
  options: optionsSchema,
  fit({ train, valid, classes, predictionType, select }: FitInput, given: Readonly<Record<string, unknown>>) {
    const { C } = optionsSchema.parse(given);
    const embeddings = embeddingsOf(train);
    // ‖w‖²/2 + C·Σ loss: per clip l2 = 1/(C·n), and a strength is l2·n/D over the features that vary.
    const strength = 1 / (C * Math.max(fitStandardizer(embeddings).active, 1));
    const data = { embeddings, labels: train.labels, classes, predictionType };
    // Down from strong penalties: from its start the solver does not always find the minimum of a weak one.
    const path = fitLinear(data, [1000 * strength, 30 * strength, strength], { tolerance: 0, maxIterations: 1000 });
    const point = path.points.at(-1)!;
    const scores = (split: ProbeSplit): Float64Array => path.scores(point, path.project(embeddingsOf(split)));
    return { scores, selection: { C, validation: finite(select(scores(valid))), converged: point.converged } };
  },
} satisfies Protocol;
