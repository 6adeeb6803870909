/**
 * Minimises mean cross entropy + l2/2·‖W‖² over weights and an unpenalised bias by full-batch L-BFGS (Liu and Nocedal, "On the
 * limited memory BFGS method", 1989), preconditioned with the Hessian at the mean weight p(1 − p), and with a Newton line
 * search, which is nearly free because logits are linear along the line. Everything is float64 and deterministic.
 */
import { lossAlong, meanWeight, type Targets } from './loss.ts';
import type { Space } from './space.ts';

export interface SolveOptions {
  /** Stop when the estimated distance to the minimum is below this share of the objective. */
  readonly tolerance: number;
  readonly maxIterations: number;
}

/** A point of the path. Vectors as in `space.ts`. */
export interface Point {
  readonly l2: number;
  readonly vector: Float64Array;
  readonly companion: Float64Array;
  /** [rows] */
  readonly bias: Float64Array;
  /** With bias [K, n]. */
  readonly logits: Float64Array;
  readonly objective: number;
  readonly iterations: number;
  readonly converged: boolean;
}

const MEMORY = 4;

interface Pair {
  readonly s: Float64Array;
  readonly c: Float64Array;
  readonly y: Float64Array;
  readonly sBias: Float64Array;
  readonly yBias: Float64Array;
  readonly rho: number;
}

const inner = (a: Float64Array, b: Float64Array): number => {
  // Four sums, since one would wait for each addition to end before the next.
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  const end = a.length & ~3;
  for (let i = 0; i < end; i += 4) {
    s0 += a[i]! * b[i]!;
    s1 += a[i + 1]! * b[i + 1]!;
    s2 += a[i + 2]! * b[i + 2]!;
    s3 += a[i + 3]! * b[i + 3]!;
  }
  for (let i = end; i < a.length; i++) s0 += a[i]! * b[i]!;
  return s0 + s1 + (s2 + s3);
};
const addScaled = (a: Float64Array, factor: number, b: Float64Array): void => {
  for (let i = 0; i < a.length; i++) a[i]! += factor * b[i]!;
};
const scale = (a: Float64Array, factor: number): void => {
  for (let i = 0; i < a.length; i++) a[i]! *= factor;
};
const rowSums = (matrix: Float64Array, rows: number): Float64Array => {
  const stride = matrix.length / rows;
  return Float64Array.from({ length: rows }, (_, k) => {
    let sum = 0;
    for (let i = k * stride; i < (k + 1) * stride; i++) sum += matrix[i]!;
    return sum;
  });
};

/** Zero weights and the bias of the label frequencies: the optimum as l2 → ∞, up to the half count that keeps it finite. */
export function startingPoint(space: Space, { predictionType, classes, stride, isPositive, n }: Targets): Point {
  const bias = new Float64Array(space.rows);
  const logits = new Float64Array(space.rows * stride);
  for (let k = 0; k < classes; k++) {
    const count = isPositive.subarray(k * stride, (k + 1) * stride).reduce((sum, flag) => sum + flag, 0.5);
    bias[k] = Math.log(count / (predictionType === 'multiclass' ? 1 : n + 1 - count));
  }
  if (predictionType === 'multiclass') {
    const mean = bias.reduce((sum, value) => sum + value, 0) / classes;
    for (let k = 0; k < classes; k++) bias[k]! -= mean;
  }
  for (let k = 0; k < classes; k++) logits.fill(bias[k]!, k * stride, k * stride + n);
  const length = space.rows * space.size;
  const zero = { vector: new Float64Array(length), companion: new Float64Array(length) };
  return { l2: Infinity, ...zero, bias, logits, objective: NaN, iterations: 0, converged: true };
}

/** The minimum for `l2`, starting from another point of the path. */
export function solve(space: Space, targets: Targets, l2: number, from: Point, options: SolveOptions): Point {
  const { n, classes, stride } = targets;
  const [vector, companion, bias, logits] = [from.vector, from.companion, from.bias, from.logits].map((v) =>
    v.slice(),
  ) as [Float64Array, Float64Array, Float64Array, Float64Array];
  const residual = new Float64Array(logits.length);
  const step = new Float64Array(logits.length); // logits of the direction
  let gradient = new Float64Array(vector.length);
  let next = new Float64Array(vector.length);
  const pairs: Pair[] = [];

  let loss = lossAlong(targets, logits, step, 0, residual).loss;
  let norm = inner(vector, companion);
  const weight = meanWeight(targets, residual);
  space.prepare(weight, l2);
  space.gradient(residual, gradient);
  addScaled(gradient, l2, vector);
  let gradientBias = rowSums(residual, space.rows);
  let converged = false;
  let iterations = 0;
  for (; ; iterations++) {
    const direction = lbfgsDirection(space, gradient, gradientBias, pairs, weight);
    const decrement = -(inner(direction.companion, gradient) + inner(direction.bias, gradientBias));
    const objective = loss + (l2 / 2) * norm;
    converged = !(decrement / 2 > Math.max(options.tolerance * objective, 1e-22));
    if (converged || iterations >= options.maxIterations) break;

    if (space.isDual) step.set(direction.companion);
    else {
      space.vector.set(direction.vector);
      space.logits(step);
    }
    for (let k = 0; k < classes; k++) {
      for (let i = k * stride; i < k * stride + n; i++) step[i]! += direction.bias[k]!;
    }
    const cross = inner(vector, direction.companion);
    const square = inner(direction.vector, direction.companion);
    const t = lineSearch((at) => {
      const line = lossAlong(targets, logits, step, at, residual);
      loss = line.loss;
      return { slope: line.slope + l2 * (cross + at * square), curvature: line.curvature + l2 * square };
    }, -decrement);
    norm += 2 * t * cross + t * t * square;
    for (const [value, by] of [[vector, direction.vector], [companion, direction.companion], [bias, direction.bias], [logits, step]] as const) {
      addScaled(value, t, by);
    } // prettier-ignore
    space.gradient(residual, next);
    addScaled(next, l2, vector);
    const nextBias = rowSums(residual, space.rows);
    const pair = pairOf(direction, t, { gradient, next, gradientBias, nextBias });
    if (pair) pairs.push(pair);
    if (pairs.length > MEMORY) pairs.shift();
    [gradient, next] = [next, gradient];
    gradientBias = nextBias;
  }
  return { l2, vector, companion, bias, logits, objective: loss + (l2 / 2) * norm, iterations, converged };
}

interface Direction {
  readonly vector: Float64Array;
  readonly companion: Float64Array;
  readonly bias: Float64Array;
}

/** −H·gradient by the two-loop recursion around the preconditioner. */
function lbfgsDirection(
  space: Space,
  gradient: Float64Array,
  gradientBias: Float64Array,
  pairs: readonly Pair[],
  weight: number,
): Direction {
  const q = space.vector;
  q.set(gradient);
  const bias = gradientBias.slice();
  const alphas: number[] = [];
  for (let j = pairs.length - 1; j >= 0; j--) {
    const { c, y, sBias, yBias, rho } = pairs[j]!;
    const alpha = rho * (inner(c, q) + inner(sBias, bias));
    alphas[j] = alpha;
    addScaled(q, -alpha, y);
    addScaled(bias, -alpha, yBias);
  }
  space.precondition();
  for (let k = 0; k < bias.length; k++) bias[k]! /= weight;
  const [vector, companion] = [space.vector.slice(), space.companion.slice()];
  for (const [j, { s, c, y, sBias, yBias, rho }] of pairs.entries()) {
    const factor = alphas[j]! - rho * (inner(y, companion) + inner(yBias, bias));
    addScaled(vector, factor, s);
    addScaled(companion, factor, c);
    addScaled(bias, factor, sBias);
  }
  for (const values of [vector, companion, bias]) scale(values, -1);
  return { vector, companion, bias };
}

/** Newton steps on the slope, kept inside a bracket, until it has fallen to a quarter. Convexity makes the slope increase. */
function lineSearch(at: (t: number) => { slope: number; curvature: number }, slopeAtZero: number): number {
  let [low, high, t] = [0, Infinity, 1];
  for (let trial = 0; ; trial++) {
    const { slope, curvature } = at(t);
    if (Math.abs(slope) <= 0.25 * Math.abs(slopeAtZero) || trial >= 12) return t;
    if (slope < 0) low = t;
    else high = t;
    const newton = t - slope / curvature;
    const isInside = newton > low && newton < high;
    t = isInside ? Math.min(newton, 10 * t) : high === Infinity ? 4 * t : (low + high) / 2;
  }
}

function pairOf(
  direction: Direction,
  t: number,
  of: { gradient: Float64Array; next: Float64Array; gradientBias: Float64Array; nextBias: Float64Array },
): Pair | undefined {
  const [s, c, sBias] = [direction.vector, direction.companion, direction.bias]; // the direction is not used again
  for (const values of [s, c, sBias]) scale(values, t);
  const [y, yBias] = [of.next.slice(), of.nextBias.slice()];
  addScaled(y, -1, of.gradient);
  addScaled(yBias, -1, of.gradientBias);
  const sy = inner(c, y) + inner(sBias, yBias);
  return sy > 0 && Number.isFinite(1 / sy) ? { s, c, y, sBias, yBias, rho: 1 / sy } : undefined;
}
