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
    const path = fitLinear({ embeddings, labels: train.labels, classes, predictionType }, [strength], {
      tolerance: 1e-13, // of the objective; its root is the distance of the scores
      maxIterations: 2000,
    });
    const [point] = path.points;
    const scores = (split: ProbeSplit): Float64Array => path.scores(point!, path.project(embeddingsOf(split)));
    return { scores, selection: { C, validation: finite(select(scores(valid))), converged: point!.converged } };
  },
} satisfies Protocol;
