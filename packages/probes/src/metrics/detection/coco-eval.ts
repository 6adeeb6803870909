/**
 * COCO's detection and segmentation metric, as COCOeval of cocodataset/cocoapi (pycocotools 2.0.11) computes it, to the last
 * bit: crowds, area ranges, detections per image, order of ties. One category is held at a time.
 */
import { accumulateCategory, emptyArrays, type CocoArrays } from './coco-accumulate.ts';
import type { CocoDetections, CocoGroundTruth, CocoInstances } from './coco-data.ts';
import { matchCategory } from './coco-match.ts';
import { checkParams, cocoDefaults, type CocoParams } from './coco-params.ts';
import { groupStable, identityOrder } from './order.ts';
import { pairwiseSum } from './sums.ts';

export const cocoStatNames = [
  'AP',
  'AP50',
  'AP75',
  'APsmall',
  'APmedium',
  'APlarge',
  'AR1',
  'AR10',
  'AR100',
  'ARsmall',
  'ARmedium',
  'ARlarge',
] as const;
export type CocoStatName = (typeof cocoStatNames)[number];

export interface CocoCategoryScore {
  readonly id: number;
  readonly name: string;
  /** Objects that are no crowds. */
  readonly objects: number;
  readonly detections: number;
  /** −1 where there is nothing to detect. */
  readonly AP: number;
  readonly AP50: number;
  readonly AP75: number;
  readonly AR: number;
}

export interface CocoEvaluation extends CocoArrays {
  readonly params: CocoParams;
  /** The twelve numbers in the official order, fractions of 1; −1 where there is nothing to detect. */
  readonly stats: Readonly<Record<CocoStatName, number>>;
  /** One a category; a single one called `all` without categories. */
  readonly perCategory: readonly CocoCategoryScore[];
  /** What a reader of the numbers should know of the input. */
  readonly notes: readonly string[];
}

/**
 * Scores detections against ground truth.
 * @throws ConfigError for parameters out of range; DataError for masks that cannot be compared
 */
export function evaluateCoco(
  truth: CocoGroundTruth,
  detections: CocoDetections,
  options: Partial<CocoParams> = {},
): CocoEvaluation {
  const params: CocoParams = { ...cocoDefaults, ...options };
  checkParams(params);
  const K = params.useCategories ? truth.categories.length : 1;
  const arrays = emptyArrays(params, K);
  const objectGroups = byCategory(truth.objects, truth, params.useCategories);
  const detectionGroups = byCategory(detections, truth, params.useCategories);
  const perCategory: CocoCategoryScore[] = [];
  for (let k = 0; k < K; k++) {
    const [dets, objects] = [detectionGroups[k]!, objectGroups[k]!];
    const matches = matchCategory(truth, detections, dets, objects, params);
    accumulateCategory(matches, params, k, arrays);
    const { id, name } = params.useCategories ? truth.categories[k]! : { id: -1, name: 'all' };
    const isObject = objects.reduce((sum, g) => sum + 1 - truth.objects.isCrowd[g]!, 0);
    perCategory.push({ id, name, objects: isObject, detections: dets.length, ...categoryScore(arrays, params, k) });
  }
  return {
    ...arrays,
    params,
    stats: summarize(arrays, params),
    perCategory,
    notes: notesOf(truth, detections, params),
  };
}

/** Instances of each category by image, in an image in file order; all in one, by image and category, without categories. */
export function byCategory(
  { count, image, category }: CocoInstances,
  { images, categories }: CocoGroundTruth,
  useCategories: boolean,
): Int32Array[] {
  if (!useCategories) {
    const { order } = groupStable(identityOrder(count), category, categories.length);
    return [groupStable(order, image, images.length).order];
  }
  const byImage = groupStable(identityOrder(count), image, images.length);
  const { order, starts } = groupStable(byImage.order, category, categories.length);
  return categories.map((_, k) => order.subarray(starts[k], starts[k + 1]));
}

/** Mean of the values that are not −1; −1 when none is. */
function meanOfDefined(values: ArrayLike<number>): number {
  const defined = Array.from(values).filter((value) => value > -1);
  return defined.length === 0 ? -1 : pairwiseSum(defined) / defined.length;
}

interface Cut {
  /** Thresholds, default all. */
  readonly t?: number | undefined;
  readonly k?: number;
  readonly a: number;
  readonly m: number;
}

function meanPrecision({ precision, shape: { T, R, K, A, M } }: CocoArrays, cut: Cut): number {
  const values: number[] = [];
  for (let t = 0; t < T; t++) {
    if (cut.t !== undefined && t !== cut.t) continue;
    for (let r = 0; r < R; r++) {
      for (let k = cut.k ?? 0; k < (cut.k === undefined ? K : cut.k + 1); k++)
        values.push(precision[(((t * R + r) * K + k) * A + cut.a) * M + cut.m]!);
    }
  }
  return meanOfDefined(values);
}

function meanRecall({ recall, shape: { T, K, A, M } }: CocoArrays, cut: Cut): number {
  const values: number[] = [];
  for (let t = 0; t < T; t++) {
    for (let k = cut.k ?? 0; k < (cut.k === undefined ? K : cut.k + 1); k++)
      values.push(recall[((t * K + k) * A + cut.a) * M + cut.m]!);
  }
  return meanOfDefined(values);
}

const orAbsent = (index: number, score: (index: number) => number): number => (index < 0 ? -1 : score(index));

/** AP at the largest number of detections; AR at each of the first three; what is not among the parameters is −1. */
function summarize(arrays: CocoArrays, params: CocoParams): Record<CocoStatName, number> {
  const m = params.maxDetections.length - 1;
  const area = (name: string): number => params.areaRanges.findIndex((range) => range.name === name);
  const precisionAt = (threshold: number): number =>
    orAbsent(params.iouThresholds.indexOf(threshold), (t) =>
      orAbsent(area('all'), (a) => meanPrecision(arrays, { t, a, m })),
    );
  const precisionOf = (name: string): number => orAbsent(area(name), (a) => meanPrecision(arrays, { a, m }));
  const recallOf = (name: string): number => orAbsent(area(name), (a) => meanRecall(arrays, { a, m }));
  const recallAt = (at: number): number =>
    at > m ? -1 : orAbsent(area('all'), (a) => meanRecall(arrays, { a, m: at }));
  return {
    AP: precisionOf('all'),
    AP50: precisionAt(0.5),
    AP75: precisionAt(0.75),
    APsmall: precisionOf('small'),
    APmedium: precisionOf('medium'),
    APlarge: precisionOf('large'),
    AR1: recallAt(0),
    AR10: recallAt(1),
    AR100: recallAt(2),
    ARsmall: recallOf('small'),
    ARmedium: recallOf('medium'),
    ARlarge: recallOf('large'),
  };
}

function categoryScore(
  arrays: CocoArrays,
  params: CocoParams,
  k: number,
): Pick<CocoCategoryScore, 'AP' | 'AP50' | 'AP75' | 'AR'> {
  const cut = { k, a: 0, m: params.maxDetections.length - 1 };
  const at = (threshold: number): number =>
    orAbsent(params.iouThresholds.indexOf(threshold), (t) => meanPrecision(arrays, { ...cut, t }));
  return { AP: meanPrecision(arrays, cut), AP50: at(0.5), AP75: at(0.75), AR: meanRecall(arrays, cut) };
}

function notesOf(truth: CocoGroundTruth, detections: CocoDetections, { idZeroIsNoMatch }: CocoParams): string[] {
  const notes = [...truth.notes, ...detections.notes];
  if (truth.objects.ids.includes(0)) {
    notes.push(
      idZeroIsNoMatch
        ? 'an annotation has id 0: COCOeval counts detections that match it as false positives, and so do these numbers (idZeroIsNoMatch)'
        : 'an annotation has id 0: these numbers count it like any other, COCOeval does not (idZeroIsNoMatch)',
    );
  }
  return notes;
}
