/** The floor of a task: every clip gets the label frequencies of the training clips, whatever it sounds like. */
import { z } from 'zod';
import type { FitInput, FittedProbe, ProbeSplit, Protocol } from './protocol-types.ts';

/** Share of the training clips that have each class [C]. */
export function labelFrequencies(labels: readonly (readonly number[])[], classes: number): Float64Array {
  const frequencies = new Float64Array(classes);
  for (const row of labels) for (const label of row) frequencies[label]! += 1 / labels.length;
  return frequencies;
}

/**
 * `chance (prior)`. Top-1 is the share of the majority class of the training clips, AUC one half, AP the prevalence: all ties
 * are resolved as the metrics say, nothing is random.
 */
export const chance = {
  id: 'chance/v1',
  title: 'Label frequencies of the training clips',
  options: z.strictObject({}),
  takesEvents: true,
  fit({ train, valid, classes, select }: FitInput): FittedProbe {
    // Nothing is more frequent than silence: no event is found.
    if (train.frames) {
      return {
        selection: {},
        evaluate: (split) => Promise.resolve({ scores: new Float64Array(0), events: split.files.map(() => []) }),
      };
    }
    const prior = labelFrequencies(train.labels, classes);
    const scores = (n: number): Float64Array =>
      Float64Array.from({ length: n * classes }, (_, i) => prior[i % classes]!);
    return {
      scores: (split: ProbeSplit) => scores(split.files.length),
      selection: { validation: finite(select(scores(valid.files.length))) },
    };
  },
} satisfies Protocol;

/** JSON has no NaN and no Infinity. */
export const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
