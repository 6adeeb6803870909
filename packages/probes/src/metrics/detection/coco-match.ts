/**
 * Which detection matches which object: COCOeval.evaluateImg of cocodataset/cocoapi (pycocotools 2.0.11) for one category.
 * Legend: D detections, G objects, A area ranges, T thresholds.
 */
import type { CocoDetections, CocoGroundTruth } from './coco-data.ts';
import type { CocoParams } from './coco-params.ts';
import { boxIou, maskIous } from './iou.ts';
import { sortFalling } from './order.ts';

/** Detections of one category in image order, in an image by falling score, at most the last of `maxDetections` an image. */
export interface CategoryMatches {
  readonly count: number;
  readonly scores: Float64Array;
  /** Index of a detection's image. */
  readonly images: Int32Array;
  /** Place of a detection in its image, from 0. */
  readonly ranks: Int32Array;
  /** [A][count]: bit t is set when the detection matches an object at threshold t. */
  readonly matched: readonly Int32Array[];
  /** [A][count]: bit t is set when it counts neither way. */
  readonly ignored: readonly Int32Array[];
  /** [A]: objects that count. */
  readonly positives: Int32Array;
}

/** One image's share of a category: positions in the orders of detections and objects. */
interface Group {
  readonly detections: Int32Array;
  readonly objects: Int32Array;
}

/** IoU that must be reached whatever the threshold, so that 1 can be met despite rounding. */
const largestThreshold = 1 - 1e-10;

/**
 * Matches one category. `detectionOrder` and `objectOrder` list its instances by image, in an image in file order; both are
 * kept as they are.
 */
export function matchCategory(
  truth: CocoGroundTruth,
  detections: CocoDetections,
  detectionOrder: Int32Array,
  objectOrder: Int32Array,
  params: CocoParams,
): CategoryMatches {
  const { areaRanges } = params;
  const n = detectionOrder.length;
  const matches = {
    count: 0,
    scores: new Float64Array(n),
    images: new Int32Array(n),
    ranks: new Int32Array(n),
    matched: areaRanges.map(() => new Int32Array(n)),
    ignored: areaRanges.map(() => new Int32Array(n)),
    positives: new Int32Array(areaRanges.length),
  };
  const order = detectionOrder.slice();
  const scratch = new Int32Array(n);
  const most = params.maxDetections.at(-1)!;
  let [d, g] = [0, 0];
  while (d < n || g < objectOrder.length) {
    const image = Math.min(
      d < n ? detections.image[order[d]!]! : Infinity,
      g < objectOrder.length ? truth.objects.image[objectOrder[g]!]! : Infinity,
    );
    const [fromD, fromG] = [d, g];
    while (d < n && detections.image[order[d]!] === image) d++;
    while (g < objectOrder.length && truth.objects.image[objectOrder[g]!] === image) g++;
    sortFalling(order, detections.scores, fromD, d, scratch);
    const group = {
      detections: order.subarray(fromD, Math.min(d, fromD + most)),
      objects: objectOrder.subarray(fromG, g),
    };
    matchGroup(truth, detections, group, params, matches);
    matches.count += group.detections.length;
  }
  return matches;
}

function matchGroup(
  truth: CocoGroundTruth,
  detections: CocoDetections,
  group: Group,
  params: CocoParams,
  matches: CategoryMatches,
): void {
  const { objects } = truth;
  const { areaRanges, iouThresholds } = params;
  const start = matches.count;
  group.detections.forEach((d, i) => {
    matches.scores[start + i] = detections.scores[d]!;
    matches.images[start + i] = detections.image[d]!;
    matches.ranks[start + i] = i;
  });
  const all = 2 ** iouThresholds.length - 1;
  const ious = overlaps(truth, detections, group, params.iou);
  areaRanges.forEach(({ low, high }, a) => {
    const isIgnored = (g: number): boolean =>
      objects.isCrowd[g] === 1 || objects.areas[g]! < low || objects.areas[g]! > high;
    const counted = [...group.objects.keys()].filter((i) => !isIgnored(group.objects[i]!));
    const columns = [...counted, ...[...group.objects.keys()].filter((i) => isIgnored(group.objects[i]!))];
    matches.positives[a]! += counted.length;
    const [matched, ignored] = [matches.matched[a]!, matches.ignored[a]!];
    if (ious !== undefined) {
      const isCrowd = columns.map((i) => objects.isCrowd[group.objects[i]!] === 1);
      const isNoMatch = columns.map((i) => params.idZeroIsNoMatch && objects.ids[group.objects[i]!] === 0);
      const problem = { ious, columns, isCrowd, isNoMatch, counted: counted.length, start, iouThresholds };
      matchArea(problem, group.detections.length, matched, ignored);
    }
    group.detections.forEach((d, i) => {
      const area = detections.areas[d]!;
      if (area < low || area > high) ignored[start + i]! |= all & ~matched[start + i]!;
    });
  });
}

/** [D, G] of a group, in the order of its lists; undefined when nothing can match. */
function overlaps(
  truth: CocoGroundTruth,
  detections: CocoDetections,
  group: Group,
  iou: CocoParams['iou'],
): Float64Array | undefined {
  const [D, G] = [group.detections.length, group.objects.length];
  if (D === 0 || G === 0) return undefined;
  const isCrowd = Array.from(group.objects, (g) => truth.objects.isCrowd[g] === 1);
  if (iou === 'segm') {
    return maskIous(
      Array.from(group.detections, (d) => detections.mask(d)),
      Array.from(group.objects, (g) => truth.objects.mask(g)),
      isCrowd,
    );
  }
  const ious = new Float64Array(D * G);
  for (let i = 0; i < D; i++) {
    for (let j = 0; j < G; j++) {
      const [d, g] = [4 * group.detections[i]!, 4 * group.objects[j]!];
      ious[i * G + j] = boxIou(detections.boxes, d, truth.objects.boxes, g, isCrowd[j]!);
    }
  }
  return ious;
}

interface AreaProblem {
  readonly ious: Float64Array;
  /** Objects that count, then those that do not. */
  readonly columns: readonly number[];
  readonly isCrowd: readonly boolean[];
  readonly isNoMatch: readonly boolean[];
  /** Objects that count. */
  readonly counted: number;
  readonly start: number;
  readonly iouThresholds: readonly number[];
}

/**
 * The greedy assignment at every threshold: a detection takes the free object of largest IoU, of equal ones the later; one
 * that counts before any that does not; a crowd stays free.
 */
function matchArea(problem: AreaProblem, D: number, matched: Int32Array, ignored: Int32Array): void {
  const { ious, columns, isCrowd, isNoMatch, counted, start, iouThresholds } = problem;
  const G = columns.length;
  const taken = new Int32Array(G); // bit t: taken at threshold t
  for (let i = 0; i < D; i++) {
    const row = i * G;
    let largest = 0;
    for (let j = 0; j < G; j++) if (ious[row + j]! > largest) largest = ious[row + j]!;
    for (let t = 0; t < iouThresholds.length; t++) {
      let best = Math.min(iouThresholds[t]!, largestThreshold);
      if (largest < best) break; // thresholds rise
      const bit = 1 << t;
      let match = -1;
      for (let j = 0; j < G; j++) {
        if (taken[j]! & bit && !isCrowd[j]) continue;
        if (match >= 0 && match < counted && j >= counted) break;
        const iou = ious[row + columns[j]!]!;
        if (iou < best) continue;
        best = iou;
        match = j;
      }
      if (match < 0) continue;
      taken[match]! |= bit;
      if (match >= counted) ignored[start + i]! |= bit;
      if (!isNoMatch[match]) matched[start + i]! |= bit;
    }
  }
}
