/**
 * Average precision as PASCAL VOC defines it, from a curve of recall and precision by falling score: `VOCap` of the VOC devkit,
 * in the arithmetic of `voc_eval.py` (rbgirshick/py-faster-rcnn, kept by facebookresearch/detectron2).
 */
import { pairwiseSum } from './sums.ts';

export interface PrecisionRecall {
  readonly recall: Float64Array;
  readonly precision: Float64Array;
}

/** numpy.finfo(float64).eps. */
const EPSILON = 2 ** -52;

/** Curve of hits (1), misses (0) and what counts neither way (−1), by falling score. */
export function precisionRecall(hits: ArrayLike<number>, positives: number): PrecisionRecall {
  const recall = new Float64Array(hits.length);
  const precision = new Float64Array(hits.length);
  let [tp, fp] = [0, 0];
  for (let i = 0; i < hits.length; i++) {
    if (hits[i] === 1) tp++;
    else if (hits[i] === 0) fp++;
    recall[i] = tp / positives;
    precision[i] = tp / Math.max(tp + fp, EPSILON);
  }
  return { recall, precision };
}

/**
 * VOC2007: mean over t = 0, 0.1, …, 1 of the largest precision at a recall of at least t. The thresholds are i · 0.1 as the
 * official code steps: a recall of exactly 0.3, 0.6 or 0.7 does not reach its own.
 */
export function elevenPointAp({ recall, precision }: PrecisionRecall): number {
  let ap = 0;
  for (let step = 0; step <= 10; step++) {
    let best = 0;
    for (let i = 0; i < recall.length; i++) if (recall[i]! >= step * 0.1 && precision[i]! > best) best = precision[i]!;
    ap += best / 11;
  }
  return ap;
}

/** VOC2010 and later, and the VOC07 classification of VISSL: area under the precision made non-increasing from the right. */
export function areaAp({ recall, precision }: PrecisionRecall): number {
  const n = recall.length;
  const envelope = new Float64Array(n + 1); // the last is the point at recall 1, precision 0
  for (let i = n - 1; i >= 0; i--) envelope[i] = Math.max(precision[i]!, envelope[i + 1]!);
  const parts: number[] = [];
  for (let i = 0; i <= n; i++) {
    const width = (i === n ? 1 : recall[i]!) - (i === 0 ? 0 : recall[i - 1]!);
    if (width !== 0) parts.push(width * envelope[i]!);
  }
  return pairwiseSum(parts);
}

/**
 * AP of one class of an image classification task, as VISSL scores VOC07: `areaAp` of the images by falling score, equal scores
 * in reverse order. `isPositive` is 1 or 0 for each image; ignored images are left out by the caller. NaN without a positive.
 */
export function vocClassificationAp(scores: ArrayLike<number>, isPositive: ArrayLike<number>): number {
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[b]! - scores[a]! || b - a);
  const hits = order.map((i) => (isPositive[i]! > 0 ? 1 : 0));
  const positives = hits.reduce<number>((sum, hit) => sum + hit, 0);
  return positives === 0 ? NaN : areaAp(precisionRecall(hits, positives));
}
