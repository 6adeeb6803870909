/**
 * `knn-dino/v1`: the nearest neighbours of DINO's `eval_knn.py` (`knn.ts`), among all images that are not tested. Nothing is chosen:
 * k is 20, which its README reports. Of images with several labels a neighbour votes for each.
 */
import { z } from 'zod';
import { embeddingsOf, joinSplits, type FitInput, type ProbeSplit, type Protocol } from '../protocol-types.ts';
import { classScores } from './protocol.ts';

const optionsSchema = z.strictObject({
  k: z.int().positive().default(20).meta({ title: 'Neighbours' }),
  temperature: z.number().positive().default(0.07).meta({ symbol: 'τ' }),
});

export const knnDino = {
  id: 'knn-dino/v1',
  title: 'DINO’s kNN: 20 weighted cosine neighbours among training and validation images',
  options: optionsSchema,
  fit({ train, valid, classes }: FitInput, given: Readonly<Record<string, unknown>>) {
    const { k, temperature } = optionsSchema.parse(given);
    const known = joinSplits([train, valid]);
    return {
      scores: (split: ProbeSplit) => classScores(known, embeddingsOf(split), { classes, ks: [k], temperature })[0]!,
      selection: { k },
    };
  },
} satisfies Protocol;
