/**
 * PASCAL VOC detection: matching rules of the VOC devkit (`VOCevaldet.m`) and of detectron2's evaluator, both average
 * precisions at every threshold. Per class, the detections of all images are pooled by falling score; each is compared with
 * the object it overlaps most.
 */
import { ConfigError, DataError } from '@unlabel/core';
import { identityOrder, sortFalling } from './order.ts';
import type { RankedHits } from './resample.ts';
import { areaAp, elevenPointAp, precisionRecall } from './voc-ap.ts';

/** Corners [xmin, ymin, xmax, ymax] in VOC's pixels: counted from 1, the last included. */
export type VocBox = readonly [number, number, number, number];

export interface VocObject {
  readonly name: string;
  readonly box: VocBox;
  /** Neither found nor missed by a detection. */
  readonly isDifficult: boolean;
}

export interface VocDetection {
  readonly image: string;
  readonly name: string;
  readonly score: number;
  readonly box: VocBox;
}

export interface VocOptions {
  /**
   * `devkit`: an overlap of at least the threshold matches. `detectron2`: an overlap above it does, of scores rounded to 3
   * decimals and corners to 1, because its evaluator goes through text.
   */
  readonly rules: 'devkit' | 'detectron2';
  readonly iouThresholds: readonly number[];
}

export const vocDefaults: VocOptions = Object.freeze({
  rules: 'devkit',
  iouThresholds: Array.from({ length: 10 }, (_, i) => (50 + 5 * i) / 100),
});

/** One value a threshold; NaN for a class that no image has. */
export interface VocClassScore {
  readonly name: string;
  /** Objects that are not difficult. */
  readonly positives: number;
  readonly detections: number;
  readonly ap11: readonly number[];
  readonly apArea: readonly number[];
}

export interface VocEvaluation {
  readonly options: VocOptions;
  readonly perClass: readonly VocClassScore[];
  /** Over the classes that have an object; NaN when none has. */
  readonly mean: { readonly ap11: readonly number[]; readonly apArea: readonly number[] };
  readonly notes: readonly string[];
}

/**
 * Scores detections. `truth` holds the objects of each image that is evaluated, also of those without any.
 * @throws DataError for a detection in an image that is not evaluated, or with a number that is not finite
 */
export function evaluateVoc(
  truth: ReadonlyMap<string, readonly VocObject[]>,
  classes: readonly string[],
  detections: readonly VocDetection[],
  options: Partial<VocOptions> = {},
): VocEvaluation {
  const all: VocOptions = { ...vocDefaults, ...options };
  const { byClass, unknown } = groupByClass(truth, classes, detections, all);
  const perClass = classes.map((name) => scoreClass(truth, name, byClass.get(name)!, all));
  const meanOf = (key: 'ap11' | 'apArea'): number[] =>
    all.iouThresholds.map((_, t) => {
      const values = perClass.map((one) => one[key][t]!).filter((value) => !Number.isNaN(value));
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    });
  const notes = unknown === 0 ? [] : [`${unknown} detections are of classes that are not evaluated: left out`];
  return { options: all, perClass, mean: { ap11: meanOf('ap11'), apArea: meanOf('apArea') }, notes };
}

function groupByClass(
  truth: ReadonlyMap<string, unknown>,
  classes: readonly string[],
  detections: readonly VocDetection[],
  { rules, iouThresholds }: VocOptions,
): { readonly byClass: ReadonlyMap<string, readonly VocDetection[]>; readonly unknown: number } {
  if (iouThresholds.length === 0) throw new ConfigError('iouThresholds: expected at least one');
  const byClass = new Map(classes.map((name) => [name, [] as VocDetection[]]));
  let unknown = 0;
  detections.forEach((one, i) => {
    const fault = faultOf(one, truth);
    if (fault !== undefined) throw new DataError(`detection ${i}: ${fault}`);
    const list = byClass.get(one.name);
    if (list === undefined) unknown++;
    else list.push(rules === 'detectron2' ? rounded(one) : one);
  });
  return { byClass, unknown };
}

/** What resampling needs of each class: see `RankedHits`. Images are numbered as `truth` lists them. */
export function vocHits(
  truth: ReadonlyMap<string, readonly VocObject[]>,
  classes: readonly string[],
  detections: readonly VocDetection[],
  options: Partial<VocOptions> = {},
): RankedHits[] {
  const all: VocOptions = { ...vocDefaults, ...options };
  const { byClass } = groupByClass(truth, classes, detections, all);
  const numbers = new Map([...truth.keys()].map((image, i) => [image, i]));
  return classes.map((name) => {
    const { ranked, images, hits } = rankClass(truth, name, byClass.get(name)!, all);
    const positives = new Int32Array(numbers.size);
    for (const [image, count] of images) positives[numbers.get(image)!] = count;
    return { images: Int32Array.from(ranked, ({ image }) => numbers.get(image)!), hits, positives };
  });
}

function faultOf({ image, score, box }: VocDetection, truth: ReadonlyMap<string, unknown>): string | undefined {
  if (!truth.has(image)) return `its image "${image}" is not one that is evaluated`;
  if (!Number.isFinite(score)) return `its score is ${score}`;
  if (box.length !== 4 || !box.every((corner) => Number.isFinite(corner)))
    return `expected a box of four finite numbers, found [${box.join(', ')}]`;
  return undefined;
}

/** One class's detections by falling score, what each hits at every threshold, and the objects that count of each image. */
function rankClass(
  truth: ReadonlyMap<string, readonly VocObject[]>,
  name: string,
  detections: readonly VocDetection[],
  { rules, iouThresholds }: VocOptions,
): {
  readonly ranked: readonly VocDetection[];
  readonly hits: readonly Int8Array[];
  readonly images: ReadonlyMap<string, number>;
} {
  const objects = new Map<string, readonly VocObject[]>();
  const images = new Map<string, number>();
  for (const [image, list] of truth) {
    const own = list.filter((object) => object.name === name);
    if (own.length === 0) continue;
    objects.set(image, own);
    images.set(image, own.reduce((sum, object) => sum + (object.isDifficult ? 0 : 1), 0)); // prettier-ignore
  }
  const order = identityOrder(detections.length);
  const scores = detections.map(({ score }) => score);
  sortFalling(order, scores, 0, order.length, new Int32Array(order.length));
  const ranked = Array.from(order, (i) => detections[i]!);
  const nearby = ranked.map((one) => nearest(one, objects.get(one.image) ?? []));
  return { ranked, hits: iouThresholds.map((threshold) => hitsAt(nearby, threshold, rules)), images };
}

function scoreClass(
  truth: ReadonlyMap<string, readonly VocObject[]>,
  name: string,
  detections: readonly VocDetection[],
  options: VocOptions,
): VocClassScore {
  const { hits, images } = rankClass(truth, name, detections, options);
  const positives = [...images.values()].reduce((sum, count) => sum + count, 0);
  const curves = hits.map((row) => {
    if (positives === 0) return { ap11: NaN, apArea: NaN };
    const curve = precisionRecall(row, positives);
    return { ap11: elevenPointAp(curve), apArea: areaAp(curve) };
  });
  const [ap11, apArea] = [curves.map((curve) => curve.ap11), curves.map((curve) => curve.apArea)];
  return { name, positives, detections: detections.length, ap11, apArea };
}

interface Nearest {
  readonly overlap: number;
  readonly object: VocObject | undefined;
}

/** The object of largest overlap, the first of equal ones. */
function nearest({ box }: VocDetection, objects: readonly VocObject[]): Nearest {
  let best: Nearest = { overlap: -Infinity, object: undefined };
  for (const object of objects) {
    const overlap = vocOverlap(box, object.box);
    if (overlap > best.overlap) best = { overlap, object };
  }
  return best;
}

/** Intersection over union in VOC's pixels, where a box from 5 to 5 is one pixel wide. */
export function vocOverlap(a: VocBox, b: VocBox): number {
  const width = Math.max(Math.min(a[2], b[2]) - Math.max(a[0], b[0]) + 1, 0);
  const height = Math.max(Math.min(a[3], b[3]) - Math.max(a[1], b[1]) + 1, 0);
  const areaOf = (box: VocBox): number => (box[2] - box[0] + 1) * (box[3] - box[1] + 1);
  return (width * height) / (areaOf(a) + areaOf(b) - width * height);
}

/** 1 hit, 0 miss, −1 neither, in order of rank. */
function hitsAt(ranked: readonly Nearest[], threshold: number, rules: VocOptions['rules']): Int8Array {
  const found = new Set<VocObject>();
  return Int8Array.from(ranked, ({ overlap, object }) => {
    const isMatch = rules === 'devkit' ? overlap >= threshold : overlap > threshold;
    if (!isMatch || object === undefined) return 0;
    if (object.isDifficult) return -1;
    if (found.has(object)) return 0;
    found.add(object);
    return 1;
  });
}

const rounded = ({ image, name, score, box }: VocDetection): VocDetection => ({
  image,
  name,
  score: roundDecimal(score, 3),
  box: [roundDecimal(box[0], 1), roundDecimal(box[1], 1), roundDecimal(box[2], 1), roundDecimal(box[3], 1)],
});

/** As Python formats with a number of decimals: exact, halves to even, where `toFixed` rounds them up. */
export function roundDecimal(value: number, decimals: number): number {
  const twice = 2 * value * 10 ** decimals;
  // A binary fraction can end in a decimal 5 after `decimals` places only as a multiple of 2^−(decimals + 1).
  const isHalf = Number.isInteger(value * 2 ** (decimals + 1)) && Math.abs(twice % 2) === 1;
  if (!isHalf) return Number(value.toFixed(decimals));
  const floor = Math.floor(twice / 2);
  return (floor % 2 === 0 ? floor : floor + 1) / 10 ** decimals;
}
