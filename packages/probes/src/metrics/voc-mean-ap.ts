/**
 * Mean average precision of image classification as VISSL scores VOC07 (`vocClassificationAp`): area under the precision made
 * non-increasing from the right, equal scores in reverse order, images that are ignored for a class left out of it. The mean is over
 * classes that some image has.
 */
import { defineMetric, type Metric, type MetricInput } from './metric.ts';

/** Images of one class that count, by falling score. */
interface Ranked {
  readonly order: Int32Array;
  readonly isPositive: Uint8Array;
}

function rank({ scores, labels, ignored, classes }: MetricInput, c: number): Ranked {
  const isPositive = Uint8Array.from(labels, (row) => (row.includes(c) ? 1 : 0));
  const kept = [...labels.keys()].filter((i) => !ignored?.[i]?.includes(c));
  const order = kept.sort((a, b) => scores[b * classes + c]! - scores[a * classes + c]! || b - a);
  return { order: Int32Array.from(order), isPositive };
}

/** Image i is counted `counts[i]` times, one after another. NaN without a positive. */
function areaOf({ order, isPositive }: Ranked, counts: Int32Array | undefined): number {
  const times = (i: number): number => (counts === undefined ? 1 : counts[i]!);
  let positives = 0;
  for (const i of order) positives += isPositive[i]! * times(i);
  if (positives === 0) return NaN;
  // Repeats of a positive raise the precision step by step: the envelope over them is the last's.
  const precision = new Float64Array(order.length);
  let [hits, seen] = [0, 0];
  order.forEach((i, at) => {
    hits += isPositive[i]! * times(i);
    seen += times(i);
    precision[at] = seen === 0 ? 0 : hits / seen;
  });
  let [area, envelope] = [0, 0];
  for (let at = order.length - 1; at >= 0; at--) {
    const i = order[at]!;
    envelope = Math.max(envelope, precision[at]!);
    area += ((isPositive[i]! * times(i)) / positives) * envelope;
  }
  return area;
}

export const vocMeanAp: Metric = defineMetric({
  higherIsBetter: true,
  bounds: [0, 1],
  prepare: (input) => {
    const ranked = Array.from({ length: input.classes }, (_, c) => rank(input, c));
    return (counts) => {
      const areas = ranked.map((one) => areaOf(one, counts)).filter((area) => !Number.isNaN(area));
      return areas.reduce((sum, area) => sum + area, 0) / areas.length;
    };
  },
});
