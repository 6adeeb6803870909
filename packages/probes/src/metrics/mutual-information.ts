/** How well two labellings of the same things agree, whatever their labels are called. */
import { DataError } from '@unlabel/core';

/**
 * Mutual information over the mean of the two entropies, as scikit-learn's `normalized_mutual_info_score`: 0 for independent labellings, 1 for equal
 * ones up to names; 1 when each has one label only. Few things and many labels raise it: compare at equal numbers of both.
 * @throws DataError for labellings of different length, or of nothing
 */
export function normalizedMutualInformation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = a.length;
  if (n === 0 || b.length !== n)
    throw new DataError(`normalizedMutualInformation: ${n} and ${b.length} labels; expected as many, and at least one`);
  const [inA, inB, inBoth] = [new Map<number, number>(), new Map<number, number>(), new Map<string, number>()];
  for (let i = 0; i < n; i++) {
    count(inA, a[i]!);
    count(inB, b[i]!);
    count(inBoth, `${a[i]!},${b[i]!}`);
  }
  const [hA, hB, hBoth] = [entropy(inA, n), entropy(inB, n), entropy(inBoth, n)];
  const mean = (hA + hB) / 2;
  return mean === 0 ? 1 : Math.max(0, hA + hB - hBoth) / mean;
}

const count = <Key>(counts: Map<Key, number>, key: Key): void => void counts.set(key, (counts.get(key) ?? 0) + 1);

function entropy(counts: ReadonlyMap<unknown, number>, n: number): number {
  let sum = 0;
  for (const c of counts.values()) sum -= (c / n) * Math.log(c / n);
  return sum;
}
