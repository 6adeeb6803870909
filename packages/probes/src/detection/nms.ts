/** Non-maximum suppression, as torchvision.ops.batched_nms 0.29: of boxes of a class that overlap, the one of highest score stays. */
import { DataError } from '@unlabel/core';

export interface ScoredBoxes {
  /** [x1, y1, x2, y2] each [n, 4]. */
  readonly boxes: ArrayLike<number>;
  /** [n] */
  readonly scores: ArrayLike<number>;
  /** Boxes of different classes leave each other alone [n]. */
  readonly classes: ArrayLike<number>;
}

export interface NmsOptions {
  /** Boxes with an IoU above this with a better one are dropped. */
  readonly iouThreshold: number;
  /** At most so many are kept. Default all. */
  readonly limit?: number;
}

/** Indices of the boxes that stay, by falling score, of equal ones the lower index first. O(n · kept). */
export function nms({ boxes, scores, classes }: ScoredBoxes, { iouThreshold, limit = Infinity }: NmsOptions): number[] {
  const n = scores.length;
  if (boxes.length !== 4 * n || classes.length !== n)
    throw new DataError(`NMS: ${n} scores for ${boxes.length / 4} boxes and ${classes.length} classes`);
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const kept: number[] = [];
  for (const i of order) {
    if (kept.length >= limit) break;
    if (kept.every((k) => classes[k] !== classes[i] || iou(boxes, i, k) <= iouThreshold)) kept.push(i);
  }
  return kept;
}

function iou(boxes: ArrayLike<number>, i: number, k: number): number {
  const side = (at: number, low: number): number => boxes[4 * at + low + 2]! - boxes[4 * at + low]!;
  const shared = (low: number): number =>
    Math.max(
      0,
      Math.min(boxes[4 * i + low + 2]!, boxes[4 * k + low + 2]!) - Math.max(boxes[4 * i + low]!, boxes[4 * k + low]!),
    );
  const overlap = shared(0) * shared(1);
  if (overlap === 0) return 0;
  return overlap / (side(i, 0) * side(i, 1) + side(k, 0) * side(k, 1) - overlap);
}
