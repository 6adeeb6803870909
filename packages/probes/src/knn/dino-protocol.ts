/**
 * `knn-dino/v1`: the nearest neighbours of DINO's `eval_knn.py` (`knn.ts`), among all images that are not tested. Nothing is chosen:
 * k is 20, which its README reports.
 */
import { z } from 'zod';
import { ConfigError } from '@unlabel/core';
import { embeddingsOf, joinSplits, type FitInput, type ProbeSplit, type Protocol } from '../protocol-types.ts';
import { knnVotes } from './knn.ts';

const optionsSchema = z.strictObject({
  k: z.int().positive().default(20).meta({ title: 'Neighbours' }),
  temperature: z.number().positive().default(0.07).meta({ symbol: 'τ' }),
});

export const knnDino = {
  id: 'knn-dino/v1',
  title: 'DINO’s kNN: 20 weighted cosine neighbours among training and validation images',
  options: optionsSchema,
  fit({ train, valid, classes, predictionType }: FitInput, given: Readonly<Record<string, unknown>>) {
    if (predictionType !== 'multiclass')
      throw new ConfigError('knn-dino/v1: images have one class each; knn/v1 takes tasks with several');
    const { k, temperature } = optionsSchema.parse(given);
    const known = joinSplits([train, valid]);
    const data = { embeddings: embeddingsOf(known), labels: known.labels.map(([label]) => label!) };
    return {
      scores: (split: ProbeSplit) => knnVotes(data, embeddingsOf(split), { classes, ks: [k], temperature })[0]!.scores,
      selection: { k },
    };
  },
} satisfies Protocol;
