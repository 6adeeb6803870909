/**
 * Multinomial logistic regression of one episode, converged: minimises ½·‖W‖² + Σ_i cross entropy (scikit-learn's C = 1) with an
 * unpenalised bias. The weights lie in the span of the support windows, so coordinates in it are enough: a pivoted Cholesky factor of
 * the products around the support's mean, at most M − 1 numbers a window whatever D is.
 *
 * Conjugate gradients (Polak–Ribière), preconditioned with the Hessian at equal weights of all windows, where weights and bias do not
 * meet; Newton line search, which is nearly free because logits are linear along the line.
 *
 * Legend: N classes, M support windows, R ≤ M − 1 coordinates, T query windows.
 */
import type { EpisodeProducts } from './products.ts';

export interface LogisticShape {
  readonly ways: number;
  readonly shots: number;
  readonly windows: number;
}

/** Half the Newton decrement at which it stops, a share of the objective: probabilities are then exact to about 1e-6. */
const tolerance = 1e-12;
const maxIterations = 1000;
/** Share of the largest squared distance from the mean below which a direction is rounding. */
const rankTolerance = 1e-13;

interface Scratch {
  readonly m: number;
  readonly ways: number;
  readonly rowMean: Float64Array;
  readonly rest: Float64Array;
  readonly pivots: Int32Array;
  /** Coordinates of the support windows [M, M], R of each row used. */
  readonly x: Float64Array;
  /** (I + w·XᵀX)⁻¹ [R, R] in rows of M. */
  readonly inverse: Float64Array;
  readonly point: Float64Array;
  /** [N, M], R of each row used. */
  readonly weights: Float64Array;
  readonly gradient: Float64Array;
  readonly preconditioned: Float64Array;
  readonly previous: Float64Array;
  readonly direction: Float64Array;
  /** [N, M] by window. */
  readonly logits: Float64Array;
  readonly along: Float64Array;
  readonly residual: Float64Array;
  /** [N] each. */
  readonly bias: Float64Array;
  readonly biasGradient: Float64Array;
  readonly previousBias: Float64Array;
  readonly biasDirection: Float64Array;
}

let held: Scratch | undefined;

function scratchOf(m: number, ways: number): Scratch {
  if (held?.m === m && held.ways === ways) return held;
  const few = (): Float64Array => new Float64Array(ways);
  const one = (): Float64Array => new Float64Array(m);
  const vector = (): Float64Array => new Float64Array(ways * m);
  return (held = {
    m, ways, rowMean: one(), rest: one(), pivots: new Int32Array(m), x: new Float64Array(m * m), inverse: new Float64Array(m * m),
    point: one(), weights: vector(), gradient: vector(), preconditioned: vector(), previous: vector(), direction: vector(),
    logits: vector(), along: vector(), residual: vector(), bias: few(), biasGradient: few(), previousBias: few(), biasDirection: few(),
  }); // prettier-ignore
}

/** Logits [T, N] of the query windows. */
export function fitLogistic(products: EpisodeProducts, shape: LogisticShape, scores: Float64Array): void {
  const { ways, shots, windows } = shape;
  const m = ways * shots;
  const s = scratchOf(m, ways);
  const mean = center(products.support, s);
  const rank = factor(products.support, mean, s);
  const weight = (1 / ways) * (1 - 1 / ways);
  invert(s, rank, weight);
  descend(s, shots, rank, weight);
  const { point, pivots, rowMean, x, weights, bias } = s;
  for (let t = 0; t < windows; t++) {
    let own = 0;
    for (let j = 0; j < m; j++) own += products.query[t * m + j]! / m;
    for (let c = 0; c < rank; c++) {
      const p = pivots[c]!;
      let rest = products.query[t * m + p]! - own - rowMean[p]! + mean;
      for (let b = 0; b < c; b++) rest -= point[b]! * x[p * m + b]!;
      point[c] = rest / x[p * m + c]!;
    }
    for (let n = 0; n < ways; n++) {
      let logit = bias[n]!;
      for (let c = 0; c < rank; c++) logit += weights[n * m + c]! * point[c]!;
      scores[t * ways + n] = logit;
    }
  }
}

/** Mean product of each window with the support; returns the mean of all. */
function center(support: Float64Array, { m, rowMean }: Scratch): number {
  let mean = 0;
  for (let i = 0; i < m; i++) {
    let sum = 0;
    for (let j = 0; j < m; j++) sum += support[i * m + j]!;
    rowMean[i] = sum / m;
    mean += sum / m / m;
  }
  return mean;
}

/** Products around the mean = X·Xᵀ by a Cholesky factor that takes the window farthest from the span so far; returns R. */
function factor(support: Float64Array, mean: number, { m, rowMean, rest, pivots, x }: Scratch): number {
  let largest = 0;
  for (let i = 0; i < m; i++) {
    rest[i] = support[i * m + i]! - 2 * rowMean[i]! + mean;
    largest = Math.max(largest, rest[i]!);
  }
  for (let c = 0; c < m; c++) {
    let p = 0;
    for (let i = 1; i < m; i++) if (rest[i]! > rest[p]!) p = i;
    if (!(rest[p]! > rankTolerance * largest)) return c;
    pivots[c] = p;
    const root = Math.sqrt(rest[p]!);
    for (let i = 0; i < m; i++) {
      let product = support[i * m + p]! - rowMean[i]! - rowMean[p]! + mean;
      for (let b = 0; b < c; b++) product -= x[i * m + b]! * x[p * m + b]!;
      const value = i === p ? root : product / root;
      x[i * m + c] = value;
      rest[i] = i === p ? 0 : Math.max(0, rest[i]! - value * value);
    }
  }
  return m;
}

/** (I + w·XᵀX)⁻¹ by Gauss–Jordan without pivoting: the matrix is positive definite. */
function invert({ m, x, inverse }: Scratch, rank: number, weight: number): void {
  for (let a = 0; a < rank; a++) {
    for (let b = 0; b <= a; b++) {
      let sum = 0;
      for (let i = 0; i < m; i++) sum += x[i * m + a]! * x[i * m + b]!;
      inverse[a * m + b] = inverse[b * m + a] = weight * sum + (a === b ? 1 : 0);
    }
  }
  for (let p = 0; p < rank; p++) {
    const pivot = 1 / inverse[p * m + p]!;
    inverse[p * m + p] = 1;
    for (let b = 0; b < rank; b++) inverse[p * m + b]! *= pivot;
    for (let a = 0; a < rank; a++) {
      if (a === p) continue;
      const times = inverse[a * m + p]!;
      inverse[a * m + p] = 0;
      for (let b = 0; b < rank; b++) inverse[a * m + b]! -= times * inverse[p * m + b]!;
    }
  }
}

function descend(s: Scratch, shots: number, rank: number, weight: number): void {
  const { m, ways, x, inverse, weights, gradient, preconditioned, previous, direction, logits, along, residual } = s;
  const { bias, biasGradient, previousBias, biasDirection } = s;
  const biasScale = 1 / (weight * m);
  for (const array of [weights, logits, bias, direction, along, biasDirection]) array.fill(0);
  let before = 0;
  let loss = lossAlong(s, shots, 0).loss;
  let norm = 0; // ‖W‖²
  for (let iteration = 0; ; iteration++) {
    let [now, mixed] = [0, 0]; // ⟨gradient, P·gradient⟩ and ⟨previous gradient, P·gradient⟩
    for (let n = 0; n < ways; n++) {
      const row = n * m;
      for (let c = 0; c < rank; c++) gradient[row + c] = weights[row + c]!;
      let sum = 0;
      for (let i = 0; i < m; i++) {
        const r = residual[row + i]!;
        sum += r;
        for (let c = 0; c < rank; c++) gradient[row + c]! += r * x[i * m + c]!;
      }
      biasGradient[n] = sum;
      now += biasScale * sum * sum;
      mixed += biasScale * sum * previousBias[n]!;
      for (let a = 0; a < rank; a++) {
        let value = 0;
        for (let b = 0; b < rank; b++) value += inverse[a * m + b]! * gradient[row + b]!;
        preconditioned[row + a] = value;
        now += value * gradient[row + a]!;
        mixed += value * previous[row + a]!;
      }
    }
    if (!(now / 2 > tolerance * (loss + norm / 2)) || iteration === maxIterations) return;
    const keep = iteration === 0 ? 0 : Math.max(0, (now - mixed) / before);
    before = now;
    let [start, cross, square] = [0, 0, 0]; // slope at t = 0, and ‖W + t·D‖² = ‖W‖² + 2t·cross + t²·square
    for (let n = 0; n < ways; n++) {
      const row = n * m;
      for (let at = row; at < row + rank; at++) {
        const d = keep * direction[at]! - preconditioned[at]!;
        direction[at] = d;
        previous[at] = gradient[at]!;
        start += gradient[at]! * d;
        cross += weights[at]! * d;
        square += d * d;
      }
      biasDirection[n] = keep * biasDirection[n]! - biasScale * biasGradient[n]!;
      previousBias[n] = biasGradient[n]!;
      start += biasGradient[n]! * biasDirection[n]!;
      for (let i = 0; i < m; i++) {
        let logit = biasDirection[n]!;
        for (let c = 0; c < rank; c++) logit += direction[row + c]! * x[i * m + c]!;
        along[row + i] = logit;
      }
    }
    const found = search(s, shots, { start, cross, square });
    loss = found.loss;
    norm += 2 * found.t * cross + found.t * found.t * square;
    for (let i = 0; i < ways * m; i++) {
      weights[i]! += found.t * direction[i]!;
      logits[i]! += found.t * along[i]!;
    }
    for (let n = 0; n < ways; n++) bias[n]! += found.t * biasDirection[n]!;
  }
}

interface Line {
  readonly start: number;
  readonly cross: number;
  readonly square: number;
}

/** From Newton's step on, more of them inside a bracket until the slope has fallen to a quarter; leaves `residual` at what it found. */
function search(s: Scratch, shots: number, { start, cross, square }: Line): { t: number; loss: number } {
  let [low, high, t] = [0, Infinity, -start / (curvatureHere(s, shots) + square)];
  for (let trial = 0; ; trial++) {
    const line = lossAlong(s, shots, t);
    const slope = line.slope + cross + t * square;
    if (Math.abs(slope) <= 0.25 * Math.abs(start) || trial === 12) return { t, loss: line.loss };
    if (slope < 0) low = t;
    else high = t;
    const newton = t - slope / (line.curvature + square);
    t = newton > low && newton < high ? Math.min(newton, 10 * t) : high === Infinity ? 4 * t : (low + high) / 2;
  }
}

/** Curvature of Σ cross entropy along the line at t = 0, from the residual there: no exponentials. */
function curvatureHere({ m, ways, along, residual }: Scratch, shots: number): number {
  let curvature = 0;
  for (let i = 0; i < m; i++) {
    let [first, second] = [0, 0];
    for (let n = 0, at = i; n < ways; n++, at += m) {
      const p = residual[at]! + (i >= n * shots && i < (n + 1) * shots ? 1 : 0);
      const d = along[at]!;
      first += p * d;
      second += p * d * d;
    }
    curvature += second - first * first;
  }
  return curvature;
}

/** Σ cross entropy at logits + t·along, its slope and curvature in t; `residual` gets p − y. */
function lossAlong(
  { m, ways, logits, along, residual }: Scratch,
  shots: number,
  t: number,
): { loss: number; slope: number; curvature: number } {
  let [loss, slope, curvature] = [0, 0, 0];
  for (let i = 0; i < m; i++) {
    let top = -Infinity;
    for (let at = i; at < ways * m; at += m) {
      const logit = logits[at]! + t * along[at]!;
      residual[at] = logit;
      if (logit > top) top = logit;
    }
    const own = Math.floor(i / shots) * m + i;
    const right = residual[own]! - top;
    let [sum, first, second] = [0, 0, 0];
    for (let at = i; at < ways * m; at += m) {
      const e = Math.exp(residual[at]! - top);
      const d = along[at]!;
      residual[at] = e;
      sum += e;
      first += e * d;
      second += e * d * d;
    }
    for (let at = i; at < ways * m; at += m) residual[at]! /= sum;
    residual[own]! -= 1;
    loss += Math.log(sum) - right;
    slope += first / sum - along[own]!;
    curvature += second / sum - (first / sum) ** 2;
  }
  return { loss, slope, curvature };
}
