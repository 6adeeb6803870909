/** Overlap of detections with ground truth as COCO counts it. Legend: D detections, G objects. */
import { checkSameSize, rleArea, rleBoxInto, type Rle } from './rle.ts';

/**
 * Intersection over union of one pair of boxes [x, y, width, height] at element offsets `i` and `j`; plain areas, no pixel
 * added. With `isCrowd` the union is the detection's own area.
 */
export function boxIou(d: Float64Array, i: number, g: Float64Array, j: number, isCrowd: boolean): number {
  const w = Math.min(d[i + 2]! + d[i]!, g[j + 2]! + g[j]!) - Math.max(d[i]!, g[j]!);
  if (!(w > 0)) return 0;
  const h = Math.min(d[i + 3]! + d[i + 1]!, g[j + 3]! + g[j + 1]!) - Math.max(d[i + 1]!, g[j + 1]!);
  if (!(h > 0)) return 0;
  const area = d[i + 2]! * d[i + 3]!;
  const intersection = w * h;
  return intersection / (isCrowd ? area : area + g[j + 2]! * g[j + 3]! - intersection);
}

/**
 * [D, G] row-major; masks whose boxes do not overlap are 0 without a look at their runs.
 * @throws DataError for masks of different sizes
 */
export function maskIous(
  detections: readonly Rle[],
  objects: readonly Rle[],
  isCrowd: readonly boolean[],
): Float64Array {
  const boxes = (masks: readonly Rle[]): Float64Array => {
    const out = new Float64Array(4 * masks.length);
    masks.forEach((mask, i) => rleBoxInto(mask, out, i));
    return out;
  };
  const [boxesD, boxesG] = [boxes(detections), boxes(objects)];
  const ious = new Float64Array(detections.length * objects.length);
  detections.forEach((d, i) => {
    objects.forEach((g, j) => {
      if (boxIou(boxesD, 4 * i, boxesG, 4 * j, isCrowd[j]!) > 0)
        ious[i * objects.length + j] = maskIou(d, g, isCrowd[j]!);
    });
  });
  return ious;
}

/** Intersection over union of two masks by merging their runs; 0 when they have no pixel in common. */
export function maskIou(d: Rle, g: Rle, isCrowd: boolean): number {
  checkSameSize(d, g, 'intersection over union');
  const [a, b] = [d.counts, g.counts];
  let [restA, restB] = [a[0]!, b[0]!];
  let [i, j] = [1, 1];
  let [inA, inB] = [false, false];
  let union = 0;
  let intersection = 0;
  for (let rest = 1; rest > 0; rest = restA + restB) {
    const step = restA < restB ? restA : restB;
    if (inA || inB) union += step;
    if (inA && inB) intersection += step;
    restA -= step;
    if (restA === 0 && i < a.length) {
      restA = a[i++]!;
      inA = !inA;
    }
    restB -= step;
    if (restB === 0 && j < b.length) {
      restB = b[j++]!;
      inB = !inB;
    }
  }
  if (intersection === 0) return 0;
  return intersection / (isCrowd ? rleArea(d) : union);
}
