/**
 * Low-shot VOC07 classification of the FAIR self-supervision benchmark and VISSL (arXiv:1905.01235v2 §6.1;
 * facebookresearch/vissl@09270ed `vissl/utils/svm_utils/svm_low_shot_trainer.py`): for each class k positive images and 19·k
 * negative ones, drawn five times; one linear SVM a cost as in `voc-svm.ts`; AP of all test images.
 *
 * The cost is chosen by the mean of the test APs, as the originals do: scores flatter all models alike.
 *
 * Legend: n training images, m test images, D embedding size with the bias, K classes.
 */
import { DataError, type Rng } from '@unlabel/core';
import { checkEmbeddings, countOf, type Embeddings } from '../embeddings.ts';
import { vocClassificationAp } from '../metrics/detection/voc-ap.ts';
import { createRows, normalizedRow } from './rows.ts';
import { solveSvms, startSvm } from './solve.ts';
import type { LabelledImages } from './voc-svm.ts';

/** Positive images of a class. */
export const lowShots = [1, 2, 4, 8, 16, 32, 64, 96] as const;
/** Negative images a positive one. */
const negatives = 19;

/** Training images of one class, by index. */
export interface Shots {
  readonly positives: readonly number[];
  readonly negatives: readonly number[];
}

/** What a class has to draw from: images with flag 1, and with flag −1; those with only difficult objects (0) are neither. */
function poolsOf({ flags, embeddings }: LabelledImages, classes: number, c: number): Shots {
  const all = [...Array.from({ length: countOf(embeddings) }).keys()];
  const having = (flag: number): number[] => all.filter((i) => flags[i * classes + c] === flag);
  return { positives: having(1), negatives: having(-1) };
}

/**
 * k positives and 19·k negatives of every class, or all negatives where there are fewer.
 * @returns undefined when some class has fewer than k positives
 */
export function drawShots(train: LabelledImages, classes: number, k: number, rng: Rng): Shots[] | undefined {
  const drawn: Shots[] = [];
  for (let c = 0; c < classes; c++) {
    const pools = poolsOf(train, classes, c);
    if (pools.positives.length < k || pools.negatives.length === 0) return undefined;
    const take = (pool: readonly number[], count: number, from: Rng): number[] =>
      Array.from(from.permutation(pool.length).subarray(0, count), (i) => pool[i]!).sort((a, b) => a - b);
    const own = rng.fork(c);
    drawn.push({
      positives: take(pools.positives, k, own.fork('positives')),
      negatives: take(pools.negatives, negatives * k, own.fork('negatives')),
    });
  }
  return drawn;
}

/** Test images, normalised once. */
export interface PreparedTest {
  readonly test: LabelledImages;
  /** x / (‖x‖ + 1e-5) and a 1 [m, D]. */
  readonly rows: Float64Array;
}

export function prepareTest(test: LabelledImages): PreparedTest {
  checkEmbeddings(test.embeddings, 'low-shot SVM, test images');
  const [m, width] = [countOf(test.embeddings), test.embeddings.width + 1];
  const rows = new Float64Array(m * width);
  for (let i = 0; i < m; i++) normalizedRow(test.embeddings, i, rows, i * width);
  return { test, rows };
}

/** AP of each cost and class [costs][K] on the test images; NaN where no test image has the class. */
export function lowShotAps(
  train: Embeddings,
  shots: readonly Shots[],
  { test, rows: testRows }: PreparedTest,
  costs: readonly number[],
): number[][] {
  const aps = costs.map(() => shots.map(() => NaN));
  const order = [...costs.keys()].sort((a, b) => costs[a]! - costs[b]!);
  shots.forEach(({ positives, negatives: others }, c) => {
    const images = [...positives, ...others];
    const rows = createRows(subset(train, images), 1);
    const isPositive = Uint8Array.from(images, (_, i) => (i < positives.length ? 1 : 0));
    const weights = Float64Array.from(isPositive, (one) => (one ? 2 : 1));
    const state = startSvm({ isPositive, weights }, rows);
    const kept = [...Array.from({ length: countOf(test.embeddings) }).keys()].filter(
      (i) => test.flags[i * shots.length + c] !== 0,
    );
    const isHit = kept.map((i) => (test.flags[i * shots.length + c] === 1 ? 1 : 0));
    for (const at of order) {
      solveSvms(rows, [state], costs[at]!);
      aps[at]![c] = vocClassificationAp(
        kept.map((i) => dot(testRows, i * rows.width, state.w, rows.width)),
        isHit,
      );
    }
  });
  return aps;
}

function subset({ data, width }: Embeddings, images: readonly number[]): Embeddings {
  const out = new Float64Array(images.length * width);
  images.forEach((image, i) => out.set(data.subarray(image * width, (image + 1) * width), i * width));
  return { data: out, width };
}

function dot(a: Float64Array, from: number, b: Float64Array, width: number): number {
  let sum = 0;
  for (let d = 0; d < width; d++) sum += a[from + d]! * b[d]!;
  return sum;
}

export interface LowShotScore {
  readonly k: number;
  /** Of the best mean over samples, the first of equal ones. */
  readonly cost: number;
  /** Mean AP over classes of each sample at that cost. */
  readonly samples: readonly number[];
  readonly mean: number;
  /** Of the samples, with n − 1. */
  readonly deviation: number;
}

export interface LowShotOptions {
  readonly costs: readonly number[];
  readonly shots: readonly number[];
  readonly samples: number;
  readonly rng: Rng;
  readonly onProgress?: ((text: string) => void) | undefined;
}

/** Means over the classes that a test image has, samples [samples][costs][K] → the best cost's. */
export function bestCost(
  k: number,
  samples: readonly (readonly (readonly number[])[])[],
  costs: readonly number[],
): LowShotScore {
  const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const means = samples.map((perCost) => perCost.map((aps) => average(aps.filter((ap) => !Number.isNaN(ap)))));
  const ofCost = costs.map((_, at) => average(means.map((perCost) => perCost[at]!)));
  const best = ofCost.indexOf(Math.max(...ofCost));
  const own = means.map((perCost) => perCost[best]!);
  const mean = average(own);
  const squares = own.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { k, cost: costs[best]!, samples: own, mean, deviation: Math.sqrt(squares / Math.max(1, own.length - 1)) };
}

/**
 * The scores of each k that every class has positives for.
 * @throws DataError when there is none
 */
export function runLowShot(
  train: LabelledImages,
  test: LabelledImages,
  classes: number,
  { costs, shots, samples, rng, onProgress }: LowShotOptions,
): LowShotScore[] {
  checkEmbeddings(train.embeddings, 'low-shot SVM, training images');
  const prepared = prepareTest(test);
  const scores: LowShotScore[] = [];
  for (const k of shots) {
    const found: number[][][] = [];
    for (let sample = 0; sample < samples; sample++) {
      const drawn = drawShots(train, classes, k, rng.fork(sample).fork(k));
      if (!drawn) break;
      found.push(lowShotAps(train.embeddings, drawn, prepared, costs));
      onProgress?.(`${k} images a class, sample ${sample + 1}/${samples}`);
    }
    if (found.length > 0) scores.push(bestCost(k, found, costs));
  }
  if (scores.length === 0)
    throw new DataError(
      `low-shot SVM: some class has fewer than ${shots[0]} training images with it, or none without it`,
    );
  return scores;
}
