/**
 * Linear probe: L2-regularised multinomial logistic regression (multiclass) or one sigmoid a class (multilabel) on frozen,
 * standardised embeddings, bias unpenalised. The same minimum as scikit-learn's `LogisticRegression(C = 1/(l2·n))`.
 */
import { ConfigError, DataError } from '@unlabel/core';
import { checkEmbeddings, countOf, type Embeddings } from '../embeddings.ts';
import type { PredictionType, Targets } from './loss.ts';
import { createSpace, type Space } from './space.ts';
import { solve, startingPoint, type Point, type SolveOptions } from './solve.ts';

export interface LinearData {
  readonly embeddings: Embeddings;
  readonly labels: readonly (readonly number[])[];
  readonly classes: number;
  readonly predictionType: PredictionType;
}

export interface LinearPath {
  /** One for each l2, in the order asked for. */
  readonly points: readonly Point[];
  /** Clips in the coordinates of the fit; compute once, score with every point. */
  project(embeddings: Embeddings): Float64Array;
  /** Softmax or sigmoid scores [m, K] of projected clips. */
  scores(point: Point, projected: Float64Array): Float64Array;
  /** logits = W·x + b in the embedding's own units: weights [K, D], bias [K]. */
  model(point: Point): { weights: Float64Array; bias: Float64Array };
}

/** Average squared length of a standardised training clip: the number of features that vary. Scales strengths to l2. */
export const l2OfStrength = (strength: number, active: number, n: number): number =>
  (strength * Math.max(active, 1)) / n;

const defaults: SolveOptions = { tolerance: 1e-7, maxIterations: 300 };

/**
 * Fits the probe for each strength, the strongest first and each from the one before. A strength s is the inverse of the prior
 * variance of a logit: l2 = s·D/n with D the features that vary, so that one grid serves any embedding size.
 */
export function fitLinear(
  data: LinearData,
  strengths: readonly number[],
  options: Partial<SolveOptions> = {},
): LinearPath {
  const { embeddings, labels, classes, predictionType } = data;
  checkEmbeddings(embeddings, 'linear probe');
  const n = countOf(embeddings);
  if (n !== labels.length) throw new DataError(`linear probe: ${n} embeddings for ${labels.length} clips`);
  if (n === 0) throw new DataError('linear probe: no training clips');
  if (strengths.length === 0 || strengths.some((strength) => !(strength > 0 && strength < Infinity))) {
    throw new ConfigError(`linear probe: expected positive strengths, found [${strengths.join(', ')}]`);
  }
  const space = createSpace(embeddings, classes);
  const targets = targetsOf(labels, classes, predictionType, space);
  const order = strengths.map((_, i) => i).sort((i, j) => strengths[j]! - strengths[i]!);
  const points: Point[] = [];
  let point = startingPoint(space, targets);
  for (const i of order) {
    const l2 = l2OfStrength(strengths[i]!, space.standardizer.active, n);
    point = solve(space, targets, l2, point, { ...defaults, ...options });
    points[i] = point;
  }
  return {
    points,
    project(others) {
      checkEmbeddings(others, 'linear probe');
      if (others.width !== embeddings.width) {
        throw new DataError(
          `linear probe: embeddings of size ${others.width}; the probe was trained on ${embeddings.width}`,
        );
      }
      return space.project(others);
    },
    scores: (of, projected) => scoresOf(of, projected, space, classes, predictionType),
    model: (of) => modelOf(of, space, classes, embeddings.width),
  };
}

function targetsOf(
  labels: LinearData['labels'],
  classes: number,
  predictionType: PredictionType,
  space: Space,
): Targets {
  const stride = space.logitStride;
  const isPositive = new Uint8Array(space.rows * stride);
  for (const [i, row] of labels.entries()) {
    if (predictionType === 'multiclass' && row.length !== 1) {
      throw new DataError(
        `linear probe: training clip ${i} has ${row.length} labels; a multiclass task gives each clip one`,
      );
    }
    for (const label of row) {
      if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
        throw new DataError(`linear probe: training clip ${i} has label ${label}; expected 0…${classes - 1}`);
      }
      isPositive[label * stride + i] = 1;
    }
  }
  return { predictionType, n: labels.length, classes, stride, isPositive };
}

function scoresOf(
  point: Point,
  projected: Float64Array,
  space: Space,
  classes: number,
  predictionType: PredictionType,
): Float64Array {
  const scores = space.logitsOf(projected, point.vector);
  for (let i = 0; i < scores.length; i++) scores[i]! += point.bias[i % classes]!;
  toProbabilities(scores, classes, predictionType);
  return scores;
}

/** Softmax over each row of `logits` [m, K], or a sigmoid of each value, in place. */
export function toProbabilities(logits: Float64Array, classes: number, predictionType: PredictionType): void {
  if (predictionType === 'multilabel') {
    for (let i = 0; i < logits.length; i++) {
      const e = Math.exp(-Math.abs(logits[i]!));
      logits[i] = (logits[i]! >= 0 ? 1 : e) / (1 + e);
    }
    return;
  }
  for (let row = 0; row < logits.length; row += classes) {
    let top = -Infinity;
    for (let k = row; k < row + classes; k++) top = Math.max(top, logits[k]!);
    let sum = 0;
    for (let k = row; k < row + classes; k++) sum += logits[k] = Math.exp(logits[k]! - top);
    for (let k = row; k < row + classes; k++) logits[k]! /= sum;
  }
}

function modelOf(
  point: Point,
  space: Space,
  classes: number,
  width: number,
): { weights: Float64Array; bias: Float64Array } {
  const { mean, scale } = space.standardizer;
  const weights = space.weights(point.vector);
  const bias = point.bias.slice(0, classes);
  for (let k = 0; k < classes; k++) {
    for (let d = 0; d < width; d++) {
      weights[k * width + d]! *= scale[d]!;
      bias[k]! -= weights[k * width + d]! * mean[d]!;
    }
  }
  return { weights, bias };
}
