/**
 * Few-shot classifiers on inner products: each learns from an episode's support windows and scores its query windows.
 *
 * [0] Snell, Swersky, Zemel, "Prototypical Networks for Few-shot Learning", NIPS 2017, arXiv 1703.05175v2 (Eq. 1, 2).
 * [1] Wang, Chao, Weinberger, van der Maaten, "SimpleShot: Revisiting Nearest-Neighbor Classification for Few-Shot Learning",
 *     arXiv 1911.04623v2 (CL2N).
 * [2] CHeggan/Few-Shot-Classification-for-Audio-Evaluation@668f4109, CHeggan/MetaAudio.
 *
 * Legend: N classes, K support windows of each, M = N·K, T query windows.
 */
import type { Rng } from '@unlabel/core';
import { fitLogistic } from './logistic.ts';
import type { EpisodeProducts } from './products.ts';
import { fitSgdLogistic } from './sgd-logistic.ts';

/** Embeddings as they are, of length 1, or around the base mean and of length 1. */
export type PreparationKind = 'none' | 'l2' | 'cl2n';

export interface FewShotClassifier {
  readonly id: string;
  /** What it is, for lists. */
  readonly title: string;
  readonly preparation: PreparationKind;
  /**
   * Scores [T, N] of the query windows into `scores`; the largest wins, the first of equal ones. `rng` is the episode's own, for
   * classifiers that draw.
   */
  score(products: EpisodeProducts, shape: { ways: number; shots: number; windows: number }, scores: Float64Array, rng: () => Rng): void;
} // prettier-ignore

/** −‖x − c‖² up to the query's own length, which no comparison needs: 2·x·c − c·c. */
const nearestCentroid: FewShotClassifier['score'] = ({ support, query }, { ways, shots, windows }, scores) => {
  const m = ways * shots;
  for (let n = 0; n < ways; n++) {
    let square = 0;
    for (let i = n * shots; i < (n + 1) * shots; i++) {
      for (let j = n * shots; j < (n + 1) * shots; j++) square += support[i * m + j]!;
    }
    square /= shots * shots;
    for (let t = 0; t < windows; t++) {
      let sum = 0;
      for (let j = n * shots; j < (n + 1) * shots; j++) sum += query[t * m + j]!;
      scores[t * ways + n] = (2 / shots) * sum - square;
    }
  }
};

/** Cosine to the class mean, up to the query's own length. */
const nearestDirection: FewShotClassifier['score'] = (products, shape, scores) => {
  const { support, query } = products;
  const { ways, shots, windows } = shape;
  const m = ways * shots;
  for (let n = 0; n < ways; n++) {
    let square = 0;
    for (let i = n * shots; i < (n + 1) * shots; i++) {
      for (let j = n * shots; j < (n + 1) * shots; j++) square += support[i * m + j]!;
    }
    const length = Math.sqrt(Math.max(square, 1e-300));
    for (let t = 0; t < windows; t++) {
      let sum = 0;
      for (let j = n * shots; j < (n + 1) * shots; j++) sum += query[t * m + j]!;
      scores[t * ways + n] = sum / length;
    }
  }
};

export const centroid: FewShotClassifier = {
  id: 'centroid',
  title: 'nearest centroid, squared Euclidean distance: ProtoNet’s rule',
  preparation: 'none',
  score: nearestCentroid,
};

export const cosine: FewShotClassifier = {
  id: 'cosine',
  title: 'nearest centroid by cosine',
  preparation: 'none',
  score: nearestDirection,
};

export const l2Centroid: FewShotClassifier = {
  id: 'l2-centroid',
  title: 'nearest centroid of embeddings of length 1 (L2N)',
  preparation: 'l2',
  score: nearestCentroid,
};

export const cl2n: FewShotClassifier = {
  id: 'cl2n',
  title: 'SimpleShot: around the mean of the base classes, of length 1, nearest centroid',
  preparation: 'cl2n',
  score: nearestCentroid,
};

export const logistic: FewShotClassifier = {
  id: 'logistic',
  title: 'multinomial logistic regression, C = 1, converged',
  preparation: 'none',
  score: fitLogistic,
};

export const sgdLogistic: FewShotClassifier = {
  id: 'sgd-logistic',
  title: 'MT-SLVR’s: one-vs-rest logistic regression by SGD (adaptive, η₀ 0.1, at most 20 epochs)',
  preparation: 'none',
  score: fitSgdLogistic,
};

/** By id. A new one is one constant and one line here. */
export const fewShotClassifiers: Readonly<Record<string, FewShotClassifier>> = Object.fromEntries(
  [centroid, cosine, l2Centroid, cl2n, logistic, sgdLogistic].map((classifier) => [classifier.id, classifier]),
);
