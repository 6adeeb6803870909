/** Intersection over union of label maps: of each class over all pixels of a set, and their mean without the background. */
import { DataError } from '@unlabel/core';

export interface IouScores {
  /** Classes 1 … of the vocabulary; NaN for one that is neither there nor found. */
  readonly perClass: readonly number[];
  /** Mean over the classes that are there or found. */
  readonly mean: number;
}

/**
 * As scikit-learn's `jaccard_score` of all pixels, one class at a time.
 * @param truth class of each pixel, 0 the background
 * @param found the same of the prediction
 * @param classes with the background
 */
export function meanIou(truth: ArrayLike<number>, found: ArrayLike<number>, classes: number): IouScores {
  if (truth.length !== found.length)
    throw new DataError(`meanIou: ${truth.length} pixels are labelled and ${found.length} predicted.`);
  const [both, either] = [new Float64Array(classes), new Float64Array(classes)];
  for (let i = 0; i < truth.length; i++) {
    const [a, b] = [truth[i]!, found[i]!];
    if (!(a >= 0 && a < classes && b >= 0 && b < classes))
      throw new DataError(`meanIou: pixel ${i} has class ${a} and ${b}; expected 0…${classes - 1}.`);
    either[a]!++;
    if (a === b) both[a]!++;
    else either[b]!++;
  }
  const perClass = Array.from({ length: classes - 1 }, (_, c) => both[c + 1]! / either[c + 1]!);
  const known = perClass.filter((value) => !Number.isNaN(value));
  return { perClass, mean: known.reduce((sum, value) => sum + value, 0) / known.length };
}
