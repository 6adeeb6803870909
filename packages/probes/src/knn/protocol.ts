/**
 * `knn/v1`: a quick look without training. DINO's weighted nearest neighbours (`knn.ts`) with k chosen on validation; a multilabel
 * clip's score for a class is the share of its neighbours' weight that has the class.
 */
import { z } from 'zod';
import { finite } from '../chance.ts';
import { countOf, type Embeddings } from '../embeddings.ts';
import { embeddingsOf, type FitInput, type ProbeSplit, type Protocol } from '../protocol-types.ts';
import { knnVotes } from './knn.ts';

const optionsSchema = z.strictObject({
  ks: z
    .array(z.int().positive())
    .min(1)
    .default([1, 3, 5, 10, 20, 100, 200])
    .meta({ title: 'Numbers of neighbours tried' }),
  temperature: z.number().positive().default(0.07).meta({ symbol: 'τ', title: 'DINO’s' }),
});

/** Test clips at a time: their neighbours' weights are held for all training clips. */
const block = 64;

export const knn = {
  id: 'knn/v1',
  title: 'A quick look: weighted cosine nearest neighbours, k chosen on validation',
  options: optionsSchema,
  fit({ train, valid, classes, select }: FitInput, given: Readonly<Record<string, unknown>>) {
    const { ks, temperature } = optionsSchema.parse(given);
    const n = train.files.length;
    const wanted = [...new Set(ks.map((k) => Math.min(k, n)))];
    const scores = (split: ProbeSplit, of: readonly number[]): Float64Array[] =>
      classScores(train, embeddingsOf(split), { ks: of, temperature, classes });
    const tried = scores(valid, wanted).map((one, i) => ({ k: wanted[i]!, value: select(one) }));
    // The first of the best; an undefined value is worse than any other.
    const best = tried.reduce((a, b) =>
      b.value > a.value || (Number.isNaN(a.value) && !Number.isNaN(b.value)) ? b : a,
    );
    return {
      scores: (split: ProbeSplit) => scores(split, [best.k])[0]!,
      selection: { k: best.k, validation: finite(best.value) },
    };
  },
} satisfies Protocol;

/** [m, C] for each k: each training clip is a class of its own to the vote, and gives its weight to the labels it has. */
export function classScores(
  train: ProbeSplit,
  test: Embeddings,
  {
    ks,
    temperature,
    classes,
  }: { readonly ks: readonly number[]; readonly temperature: number; readonly classes: number },
): Float64Array[] {
  const n = train.files.length;
  const data = { embeddings: embeddingsOf(train), labels: Int32Array.from({ length: n }, (_, i) => i) };
  const m = countOf(test);
  const out = ks.map(() => new Float64Array(m * classes));
  for (let from = 0; from < m; from += block) {
    const rows = { data: test.data.subarray(from * test.width, (from + block) * test.width), width: test.width };
    knnVotes(data, rows, { classes: n, ks, temperature, block }).forEach(({ scores }, which) => {
      for (let i = 0; i < scores.length; i++) {
        if (scores[i] === 0) continue;
        const row = (from + Math.floor(i / n)) * classes;
        for (const label of train.labels[i % n]!) out[which]![row + label]! += scores[i]!;
      }
    });
  }
  return out;
}
