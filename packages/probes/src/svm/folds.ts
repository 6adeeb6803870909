/**
 * Stratified folds without shuffling, membership as scikit-learn's StratifiedKFold gives it: labels are coded by first
 * appearance; of each label, the first images in order go to fold 0, the next to fold 1, and so on, as many as the sorted codes
 * have in strides of k.
 */

/** Fold of each row, 0 … folds − 1. */
export function stratifiedFolds(labels: ArrayLike<number>, folds: number): Uint8Array {
  const codes = new Map<number, number>();
  const coded = Array.from(labels, (label) => {
    if (!codes.has(label)) codes.set(label, codes.size);
    return codes.get(label)!;
  });
  const sorted = coded.toSorted((a, b) => a - b);
  const left = Array.from({ length: folds }, (_, fold) => {
    const counts = Array.from({ length: codes.size }, () => 0);
    for (let i = fold; i < sorted.length; i += folds) counts[sorted[i]!]!++;
    return counts;
  });
  return Uint8Array.from(coded, (code) => {
    const fold = left.findIndex((counts) => counts[code]! > 0);
    left[fold]![code]!--;
    return fold;
  });
}
