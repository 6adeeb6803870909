/** The order HEAR's embedding stage leaves clips in, which is the order the predictor trains in: it never shuffles (hear.md §5, §6.3). */
import { reorderSplit, type ProbeSplit } from '../protocol-types.ts';
import { pythonRandom } from './python-random.ts';

/**
 * Each split's files shuffled by one Python `Random(0)` that runs on from split to split, in the order of the metadata. All frames
 * of a file stay together.
 * @param splits in the order of the metadata, files in the order of the label file
 */
export function officialOrder(splits: ReadonlyMap<string, ProbeSplit>): Map<string, ProbeSplit> {
  const random = pythonRandom(0);
  return new Map(
    [...splits].map(([name, split]) => {
      const order = split.files.map((_, i) => i);
      random.shuffle(order);
      return [name, reorderSplit(split, order)];
    }),
  );
}
