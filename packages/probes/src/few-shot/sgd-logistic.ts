/**
 * MT-SLVR's default classifier: scikit-learn's `SGDClassifier(loss='log_loss', alpha=0, learning_rate='adaptive', eta0=0.1, max_iter=20,
 * tol=1e-4, n_iter_no_change=2)`, one classifier a class against the rest, with an intercept. Without a penalty the weights are a
 * combination of support windows, so a margin is a sum of inner products.
 *
 * CHeggan/Few-Shot-Classification-for-Audio-Evaluation@668f4109. Orders are drawn by our generator, not by scikit-learn's: single
 * predictions differ as they do between its seeds.
 *
 * Legend: N classes, M support windows, T query windows.
 */
import type { Rng } from '@unlabel/core';
import type { EpisodeProducts } from './products.ts';

const eta0 = 0.1;
const maxEpochs = 20;
const tolerance = 1e-4;
const patience = 2;
const smallestEta = 1e-6;

/** Decision values [T, N] of the query windows. */
export function fitSgdLogistic(
  { support, query }: EpisodeProducts,
  { ways, shots, windows }: { ways: number; shots: number; windows: number },
  scores: Float64Array,
  rngOf: () => Rng,
): void {
  const m = ways * shots;
  const weights = new Float64Array(m);
  const order = new Int32Array(m);
  const rng = rngOf();
  // two classes need one classifier, whose sign decides
  const classifiers = ways === 2 ? [1] : Array.from({ length: ways }, (_, n) => n);
  for (const n of classifiers) {
    const intercept = fit(support, m, weights, order, rng, (i) => (Math.floor(i / shots) === n ? 1 : -1));
    for (let t = 0; t < windows; t++) {
      let margin = intercept;
      for (let j = 0; j < m; j++) margin += weights[j]! * query[t * m + j]!;
      scores[t * ways + n] = margin;
      if (ways === 2) scores[t * ways] = -margin;
    }
  }
}

/** Fills `weights` [M] and returns the intercept. */
function fit(
  support: Float64Array,
  m: number,
  weights: Float64Array,
  order: Int32Array,
  rng: Rng,
  labelOf: (i: number) => number,
): number {
  weights.fill(0);
  for (let i = 0; i < m; i++) order[i] = i;
  let intercept = 0;
  let eta = eta0;
  let best = Infinity;
  let stale = 0;
  for (let epoch = 0; epoch < maxEpochs; epoch++) {
    shuffle(order, rng);
    let loss = 0;
    for (let at = 0; at < m; at++) {
      const i = order[at]!;
      const y = labelOf(i);
      let margin = intercept;
      for (let j = 0; j < m; j++) margin += weights[j]! * support[i * m + j]!;
      const z = y * margin;
      const falling = Math.exp(-Math.abs(z));
      loss += Math.log1p(falling) + Math.max(0, -z);
      const step = (eta * y * (z > 0 ? falling : 1)) / (1 + falling); // η·y·σ(−z)
      weights[i]! += step;
      intercept += step;
    }
    stale = loss > best - tolerance * m ? stale + 1 : 0;
    best = Math.min(best, loss);
    if (stale < patience) continue;
    if (eta <= smallestEta) break;
    eta /= 5;
    stale = 0;
  }
  return intercept;
}

function shuffle(order: Int32Array, rng: Rng): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(rng.uniform() * (i + 1));
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
}
