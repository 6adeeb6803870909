/**
 * `voc07-svm/v1`: VOC07 classification (`voc-svm.ts`): linear SVMs on all images that are not tested, cost by 3-fold
 * cross-validation. Images are squeezed into a square, as VISSL does, not cropped.
 */
import { z } from 'zod';
import {
  embeddingsOf,
  joinSplits,
  reorderSplit,
  type FitInput,
  type ProbeSplit,
  type Protocol,
} from '../protocol-types.ts';
import { decisionsOf, fitVocSvm, svmCosts } from './voc-svm.ts';

const optionsSchema = z.strictObject({
  costs: z.enum(['vissl', 'fair', 'obow']).default('fair').meta({ title: 'Costs tried' }),
  ignored: z.enum(['negative', 'left-out']).default('negative').meta({
    title: 'Training images with only difficult objects of a class: negatives of it, as in the originals, or left out',
  }),
});

/** Flags of the class files [n, K]: 1 has the class, 0 is ignored for it, −1 has it not. */
export function flagsOf({ labels, ignored }: ProbeSplit, classes: number): Int8Array {
  const flags = new Int8Array(labels.length * classes).fill(-1);
  labels.forEach((own, i) => {
    for (const c of ignored?.[i] ?? []) flags[i * classes + c] = 0;
    for (const c of own) flags[i * classes + c] = 1;
  });
  return flags;
}

/** Images in the order of their names, in which the originals cut folds. */
export function sortedByName(splits: readonly ProbeSplit[]): ProbeSplit {
  const joined = joinSplits(splits);
  const order = [...joined.files.keys()].sort((a, b) => (joined.files[a]! < joined.files[b]! ? -1 : 1));
  return reorderSplit(joined, order);
}

/** The sigmoid keeps the order of the decisions, which is all that average precision reads; softmax is for one class an image. */
const sigmoid = (row: readonly number[]): number[] => row.map((x) => 1 / (1 + Math.exp(-x)));
function softmax(row: readonly number[]): number[] {
  const largest = Math.max(...row);
  const powers = row.map((x) => Math.exp(x - largest));
  const sum = powers.reduce((total, x) => total + x, 0);
  return powers.map((x) => x / sum);
}

export const vocSvm = {
  id: 'voc07-svm/v1',
  title: 'VOC07 classification: linear SVMs, cost by 3-fold cross-validation, area under the envelope (VISSL, FAIR)',
  options: optionsSchema,
  crop: 'stretch',
  fit({ train, valid, classes, predictionType }: FitInput, given: Readonly<Record<string, unknown>>) {
    const { costs, ignored } = optionsSchema.parse(given);
    const known = sortedByName([train, valid]);
    const images = { embeddings: embeddingsOf(known), flags: flagsOf(known, classes) };
    const { classes: fitted } = fitVocSvm(images, images, classes, { costs: svmCosts[costs], ignored });
    return {
      scores(split: ProbeSplit): Float64Array {
        const columns = fitted.map(({ weights }) => decisionsOf(embeddingsOf(split), weights));
        const rows = split.files.map((_, i) => columns.map((column) => column[i]!));
        return Float64Array.from(rows.flatMap(predictionType === 'multiclass' ? softmax : sigmoid));
      },
      selection: { costs: fitted.map(({ cost }) => cost) },
    };
  },
} satisfies Protocol;
