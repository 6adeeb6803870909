/**
 * Average precision of resampled images: matches are made once, then each image's detections and objects count as often as it was
 * drawn. Equal to evaluating the images repeated, but for the order of equal scores in different images.
 *
 * Legend: T thresholds, n detections of a class.
 */
import type { CocoDetections, CocoGroundTruth } from './coco-data.ts';
import { byCategory } from './coco-eval.ts';
import { matchCategory } from './coco-match.ts';
import { cocoDefaults } from './coco-params.ts';
import { identityOrder, sortFalling } from './order.ts';

/** One class's detections by falling score. */
export interface RankedHits {
  /** Number of a detection's image [n]. */
  readonly images: Int32Array;
  /** [T][n]: 1 hit, 0 miss, −1 neither. */
  readonly hits: readonly Int8Array[];
  /** Objects that count, of each image. */
  readonly positives: Int32Array;
}

/** How a curve becomes a number: COCO's 101 recalls, VOC2007's 11, or the area under the envelope. */
export type Interpolation = 'coco' | 'eleven-point' | 'area';

/** COCO's matches by boxes, of all areas; images are numbered as the ground truth lists them. */
export function cocoHits(truth: CocoGroundTruth, detections: CocoDetections): RankedHits[] {
  const params = { ...cocoDefaults, areaRanges: [cocoDefaults.areaRanges[0]!], idZeroIsNoMatch: false };
  const [objects, found] = [byCategory(truth.objects, truth, true), byCategory(detections, truth, true)];
  return truth.categories.map((_, k) => {
    const matches = matchCategory(truth, detections, found[k]!, objects[k]!, params);
    const order = identityOrder(matches.count);
    sortFalling(order, matches.scores, 0, order.length, new Int32Array(order.length));
    const positives = new Int32Array(truth.images.length);
    for (const g of objects[k]!) positives[truth.objects.image[g]!]! += 1 - truth.objects.isCrowd[g]!;
    const [matched, ignored] = [matches.matched[0]!, matches.ignored[0]!];
    const hits = params.iouThresholds.map((_threshold, t) =>
      Int8Array.from(order, (d) => (ignored[d]! & (1 << t) ? -1 : matched[d]! & (1 << t) ? 1 : 0)),
    );
    return { images: order.map((d) => matches.images[d]!), hits, positives };
  });
}

/**
 * Mean over thresholds (by index, default all) and classes that have an object, when image i counts `counts[i]` times (once each
 * without `counts`). NaN when no class has one.
 */
export function resampledAp(
  classes: readonly RankedHits[],
  interpolation: Interpolation,
  thresholds?: readonly number[],
): (counts?: Int32Array) => number {
  return (counts) => {
    let [sum, n] = [0, 0];
    for (const one of classes) {
      const positives = one.positives.reduce((total, own, i) => total + own * (counts?.[i] ?? 1), 0);
      if (positives === 0) continue;
      for (const t of thresholds ?? one.hits.keys()) {
        sum += apOf(one, one.hits[t]!, positives, interpolation, counts);
        n++;
      }
    }
    return n === 0 ? NaN : sum / n;
  };
}

/**
 * Repeats of a hit lie next to each other and raise the precision, so that the envelope over them is that of the last: one point a
 * detection is enough.
 */
function apOf(
  { images }: RankedHits,
  hits: Int8Array,
  positives: number,
  interpolation: Interpolation,
  counts: Int32Array | undefined,
): number {
  const recall: number[] = [];
  const precision: number[] = [];
  let [tp, fp] = [0, 0];
  for (let i = 0; i < hits.length; i++) {
    const times = counts === undefined ? 1 : counts[images[i]!]!;
    if (times === 0 || hits[i] === -1) continue;
    if (hits[i] === 0) {
      fp += times;
      continue;
    }
    tp += times;
    recall.push(tp / positives);
    precision.push(tp / (tp + fp));
  }
  for (let i = precision.length - 1; i > 0; i--) precision[i - 1] = Math.max(precision[i - 1]!, precision[i]!);
  if (interpolation === 'area')
    return precision.reduce((area, value, i) => area + value * (recall[i]! - (recall[i - 1] ?? 0)), 0);
  const points = interpolation === 'coco' ? cocoDefaults.recallThresholds : elevenRecalls;
  let [sum, at] = [0, 0];
  for (const point of points) {
    while (at < recall.length && recall[at]! < point) at++;
    if (at === recall.length) break;
    sum += precision[at]!;
  }
  return sum / points.length;
}

/** The steps of the devkit's code: 3 · 0.1 is a little above 0.3. */
const elevenRecalls = Array.from({ length: 11 }, (_, i) => i * 0.1);
