/**
 * Mean average precision, macro over classes: AP = Σ_k (R_k − R_{k−1}) P_k over thresholds at the distinct scores, no
 * interpolation (scikit-learn's `average_precision_score`). A class without positives has AP 0.
 */
import { defineMetric, meanOverClasses, rankClasses, type Metric, type RankedClass } from './metric.ts';

/** AP of one class; undefined when resampling left it no positive. */
export function averagePrecision(ranked: RankedClass, counts?: Int32Array): number | undefined {
  const { order, groupEnds, isPositive } = ranked;
  if (ranked.positives === 0) return 0;
  let positives = ranked.positives;
  if (counts !== undefined) {
    positives = 0;
    for (let i = 0; i < counts.length; i++) positives += isPositive[i]! * counts[i]!;
    if (positives === 0) return undefined;
  }
  let seen = 0;
  let hits = 0;
  let ap = 0;
  let k = 0;
  for (const end of groupEnds) {
    const before = hits;
    for (; k < end; k++) {
      const clip = order[k]!;
      const count = counts === undefined ? 1 : counts[clip]!;
      seen += count;
      hits += count * isPositive[clip]!;
    }
    if (hits > before) ap += ((hits - before) / positives) * (hits / seen);
  }
  return ap;
}

export const meanAveragePrecision: Metric = defineMetric({
  higherIsBetter: true,
  bounds: [0, 1],
  prepare: (input) => {
    const ranked = rankClasses(input);
    return (counts) => meanOverClasses(ranked, (c) => averagePrecision(c, counts));
  },
});
