/**
 * VOC07 image classification by linear SVMs on frozen embeddings, the protocol of the FAIR self-supervision benchmark and VISSL
 * (Goyal et al., Scaling and Benchmarking Self-Supervised Visual Representation Learning, ICCV 2019, arXiv:1905.01235v2;
 * facebookresearch/vissl@09270ed `vissl/utils/svm_utils`): rows normalised, one SVM a class and cost with positives weighted 2,
 * cost by 3-fold cross-validated AP, AP of the test images as VOC2010 defines it. The originals stop LIBLINEAR's dual solver
 * early and draw its order without a seed; these are the minima themselves.
 */
import { ConfigError, DataError } from '@unlabel/core';
import { checkEmbeddings, countOf, type Embeddings } from '../embeddings.ts';
import { vocClassificationAp } from '../metrics/detection/voc-ap.ts';
import { averagePrecision } from '../metrics/map.ts';
import { rankClasses } from '../metrics/metric.ts';
import { stratifiedFolds } from './folds.ts';
import { createRows, normalizedRow, type Rows } from './rows.ts';
import { solveSvms, startSvm, type SvmOptions, type SvmProblem, type SvmState } from './solve.ts';

/** 0.5⁴ … 0.5¹⁹. */
const halves = Array.from({ length: 16 }, (_, i) => 0.5 ** (i + 4));

/** Costs of the published recipes, in their order: of equal scores the first wins. */
export const svmCosts = Object.freeze({
  vissl: [0.01, 0.1, 1, 2, 5, 10, 15, 20, 50, 100, 1000],
  fair: [0.01, 0.1, ...halves],
  obow: [0.05, 0.1, 0.3, 0.5, 1, 3, 5, ...halves],
});

export interface LabelledImages {
  readonly embeddings: Embeddings;
  /** Flags of the class files [n, K] row-major: 1 has the class, −1 has not, 0 only difficult objects of it. */
  readonly flags: ArrayLike<number>;
}

export interface VocSvmOptions extends Partial<SvmOptions> {
  readonly costs: readonly number[];
  /**
   * Training images whose flag is 0: `negative` as the originals have it (their labels turn 0 into −1, so that ignored images
   * are trained as negatives), or left out.
   */
  readonly ignored?: 'negative' | 'left-out';
  readonly positiveWeight?: number;
  readonly folds?: number;
}

export interface VocSvmClass {
  readonly cost: number;
  /** Cross-validated AP of each cost. */
  readonly validation: readonly number[];
  /** NaN when no test image has the class. */
  readonly testAp: number;
  /** w·x + b of every test image, ignored ones too. */
  readonly decisions: Float64Array;
  /** In units of the normalised embedding, the bias last. */
  readonly weights: Float64Array;
  readonly positives: number;
}

export interface VocSvmResult {
  readonly costs: readonly number[];
  readonly classes: readonly VocSvmClass[];
  /** Over classes that a test image has. */
  readonly meanAp: number;
}

/** Problems solved side by side: enough to keep the products busy, few enough for their vectors to stay in the cache. */
const CAPACITY = 60;

/**
 * @throws DataError for flags other than −1, 0, 1, sizes that do not fit, or a class with fewer than two images on either side
 */
export function fitVocSvm(
  train: LabelledImages,
  test: LabelledImages,
  classes: number,
  options: VocSvmOptions,
): VocSvmResult {
  const { costs, folds = 3 } = options;
  if (costs.length === 0 || costs.some((cost) => !(cost > 0 && cost < Infinity)))
    throw new ConfigError(`SVM: expected positive costs, found [${costs.join(', ')}]`);
  checkImages(train, classes, 'SVM training');
  checkImages(test, classes, 'SVM test');
  if (train.embeddings.width !== test.embeddings.width)
    throw new DataError(`SVM: test embeddings of size ${test.embeddings.width}, training of ${train.embeddings.width}`);
  const rows = createRows(train.embeddings, Math.min(CAPACITY, classes * folds));
  const perBatch = Math.max(1, Math.floor(rows.capacity / folds));
  const results: VocSvmClass[] = [];
  for (let from = 0; from < classes; from += perBatch) {
    const targets = Array.from({ length: Math.min(perBatch, classes - from) }, (_, i) =>
      targetOf(train, classes, from + i, options),
    );
    const chosen = crossValidate(rows, targets, options, folds);
    refit(rows, chosen, options);
    chosen.forEach(({ cost, validation, state, target }, i) => {
      const decisions = decisionsOf(test.embeddings, state.w);
      const { isPositive, isKept } = testLabels(test, classes, from + i);
      const kept = decisions.filter((_, row) => isKept[row]);
      results.push({
        cost,
        validation,
        decisions,
        weights: state.w.slice(0, rows.width),
        testAp: vocClassificationAp(kept, isPositive),
        positives: target.positives,
      });
    });
  }
  const aps = results.map(({ testAp }) => testAp).filter((ap) => !Number.isNaN(ap));
  return { costs, classes: results, meanAp: aps.reduce((sum, ap) => sum + ap, 0) / aps.length };
}

function checkImages({ embeddings, flags }: LabelledImages, classes: number, what: string): void {
  checkEmbeddings(embeddings, what);
  const n = countOf(embeddings);
  if (flags.length !== n * classes)
    throw new DataError(`${what}: expected flags [${n}, ${classes}], found ${flags.length} values`);
  for (let i = 0; i < flags.length; i++) {
    if (flags[i] !== 1 && flags[i] !== 0 && flags[i] !== -1)
      throw new DataError(
        `${what}: image ${Math.floor(i / classes)}, class ${i % classes}: flag ${flags[i]}, expected −1, 0 or 1`,
      );
  }
}

/** One class's training problem and the fold of each image; 255 for an image left out. */
interface Target {
  readonly isPositive: Uint8Array;
  readonly weights: Float64Array;
  readonly fold: Uint8Array;
  readonly positives: number;
}

function targetOf({ embeddings, flags }: LabelledImages, classes: number, c: number, options: VocSvmOptions): Target {
  const { ignored = 'negative', positiveWeight = 2, folds = 3 } = options;
  const n = countOf(embeddings);
  const flag = Int8Array.from({ length: n }, (_, i) => flags[i * classes + c]!);
  const isPositive = Uint8Array.from(flag, (value) => (value === 1 ? 1 : 0));
  const isKept = flag.map((value) => (value === 0 && ignored === 'left-out' ? 0 : 1));
  const kept = [...isPositive].filter((_, i) => isKept[i]);
  const positives = kept.reduce((sum, one) => sum + one, 0);
  if (Math.min(positives, kept.length - positives) < 2)
    throw new DataError(
      `SVM: class ${c} has ${positives} positive and ${kept.length - positives} negative training images; each needs 2`,
    );
  const folding = stratifiedFolds(kept, folds);
  let at = 0;
  const fold = Uint8Array.from(isKept, (one) => (one ? folding[at++]! : 255));
  const weights = Float64Array.from(isPositive, (one, i) => (isKept[i] ? (one ? positiveWeight : 1) : 0));
  return { isPositive, weights, fold, positives };
}

interface Chosen {
  readonly target: Target;
  readonly cost: number;
  readonly validation: readonly number[];
  readonly state: SvmState;
}

/** All folds of all targets along the costs, the smallest first, each from the solution before. */
function crossValidate(rows: Rows, targets: readonly Target[], options: VocSvmOptions, folds: number): Chosen[] {
  const { costs } = options;
  const states = targets.map((target) =>
    Array.from({ length: folds }, (_, fold) => startSvm(withoutFold(target, fold), rows)),
  );
  const validation = targets.map(() => Array.from({ length: costs.length }, () => NaN));
  const best = targets.map(() => ({ ap: -1, rank: -1, w: new Float64Array(rows.widthStride) as Float64Array }));
  const order = costs.map((_, i) => i).sort((a, b) => costs[a]! - costs[b]! || a - b);
  for (const at of order) {
    solveSvms(rows, states.flat(), costs[at]!, options);
    targets.forEach((target, c) => {
      const aps = states[c]!.map(({ scores }, fold) => foldAp(target, scores, fold));
      const ap = aps.reduce((sum, one) => sum + one, 0) / folds;
      validation[c]![at] = ap;
      const held = best[c]!;
      if (!(ap > held.ap || (ap === held.ap && at < held.rank))) return;
      Object.assign(held, { ap, rank: at });
      held.w = mean(states[c]!.map(({ w }) => w));
    });
  }
  return targets.map((target, c) => {
    const { rank, w } = best[c]!;
    const state = startSvm(target, rows);
    state.w.set(w);
    return { target, cost: costs[rank]!, validation: validation[c]!, state };
  });
}

function withoutFold({ isPositive, weights, fold }: Target, left: number): SvmProblem {
  return { isPositive, weights: weights.map((weight, i) => (fold[i] === left ? 0 : weight)) };
}

/** scikit-learn's average precision of the images of a fold. */
function foldAp({ isPositive, fold }: Target, scores: Float64Array, wanted: number): number {
  const rows = [...fold.keys()].filter((i) => fold[i] === wanted);
  const labels = rows.map((i) => (isPositive[i] ? [0] : []));
  const [ranked] = rankClasses({ scores: Float64Array.from(rows, (i) => scores[i]!), labels, classes: 1 });
  return averagePrecision(ranked!) ?? 0;
}

function mean(vectors: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(vectors[0]!.length);
  for (const v of vectors) for (let d = 0; d < sum.length; d++) sum[d]! += v[d]! / vectors.length;
  return sum;
}

/** Each class at its cost on all images, from the mean of its folds; classes of one cost side by side. */
function refit(rows: Rows, chosen: readonly Chosen[], options: VocSvmOptions): void {
  chosen.forEach(({ state }, p) => rows.vectors.set(state.w, p * rows.widthStride));
  if (chosen.length % 2 === 1)
    rows.vectors.fill(0, chosen.length * rows.widthStride, (chosen.length + 1) * rows.widthStride);
  rows.scores(chosen.length);
  chosen.forEach(({ state }, p) => state.scores.set(rows.images.subarray(p * rows.nStride, (p + 1) * rows.nStride)));
  for (const cost of new Set(chosen.map((one) => one.cost))) {
    const group = chosen.filter((one) => one.cost === cost);
    solveSvms(
      rows,
      group.map(({ state }) => state),
      cost,
      options,
    );
  }
}

/** w·x + b of each image; w [D + 1] are the weights of a `VocSvmClass`. */
export function decisionsOf(embeddings: Embeddings, w: Float64Array): Float64Array {
  const row = new Float64Array(embeddings.width + 1);
  return Float64Array.from({ length: countOf(embeddings) }, (_, i) => {
    normalizedRow(embeddings, i, row, 0);
    let sum = 0;
    for (let d = 0; d < row.length; d++) sum += row[d]! * w[d]!;
    return sum;
  });
}

function testLabels(
  { embeddings, flags }: LabelledImages,
  classes: number,
  c: number,
): { isKept: boolean[]; isPositive: number[] } {
  const flag = Array.from({ length: countOf(embeddings) }, (_, i) => flags[i * classes + c]!);
  return {
    isKept: flag.map((value) => value !== 0),
    isPositive: flag.filter((value) => value !== 0).map((value) => (value === 1 ? 1 : 0)),
  };
}
