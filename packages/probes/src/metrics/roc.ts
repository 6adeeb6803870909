/**
 * Area under the ROC curve, macro over classes (= Mann–Whitney with half credit for ties), and d′ = √2 Φ⁻¹(AUC), the mean of
 * the classes' d′ rather than the d′ of the mean. A class of one kind only has AUC NaN, and the mean is NaN with it.
 */
import { normalQuantile } from '../normal.ts';
import { defineMetric, meanOverClasses, rankClasses, type Metric, type RankedClass } from './metric.ts';

/** AUC of one class; NaN for a one-kind class, undefined when only resampling made it one. */
export function areaUnderRoc(ranked: RankedClass, counts?: Int32Array): number | undefined {
  const { order, groupEnds, isPositive } = ranked;
  const n = order.length;
  if (ranked.positives === 0 || ranked.positives === n) return NaN;
  let positives = 0;
  let negatives = 0;
  let twicePairsWon = 0; // whole numbers, so the sum is exact
  let k = 0;
  for (const end of groupEnds) {
    let up = 0;
    let down = 0;
    for (; k < end; k++) {
      const clip = order[k]!;
      const count = counts === undefined ? 1 : counts[clip]!;
      if (isPositive[clip] === 1) up += count;
      else down += count;
    }
    twicePairsWon += down * (2 * positives + up);
    positives += up;
    negatives += down;
  }
  if (positives === 0 || negatives === 0) return undefined;
  return twicePairsWon / (2 * positives * negatives);
}

export const aucroc: Metric = defineMetric({
  higherIsBetter: true,
  bounds: [0, 1],
  prepare: (input) => {
    const ranked = rankClasses(input);
    return (counts) => meanOverClasses(ranked, (c) => areaUnderRoc(c, counts));
  },
});

export const dPrime: Metric = defineMetric({
  higherIsBetter: true,
  bounds: [-Infinity, Infinity],
  prepare: (input) => {
    const ranked = rankClasses(input);
    return (counts) =>
      meanOverClasses(ranked, (c) => {
        const auc = areaUnderRoc(c, counts);
        return auc === undefined ? undefined : Math.SQRT2 * normalQuantile(auc);
      });
  },
});
