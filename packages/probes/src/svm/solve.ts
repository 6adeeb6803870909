/**
 * L2-regularised linear SVMs with squared hinge, the primal problem of LIBLINEAR's solvers 1 and 2:
 *
 *   min_w ½‖w‖² + C Σ_i c_i max(0, 1 − y_i w·x_i)²
 *
 * by Newton steps (conjugate gradients, then the exact minimum along the step: the objective is piecewise quadratic), for many
 * problems over the same images at once. Lin, Weng & Keerthi, Trust region Newton method for large-scale logistic regression,
 * JMLR 9 (2008), with the line search in place of the trust region.
 */
import { DataError } from '@unlabel/core';
import type { Rows } from './rows.ts';

export interface SvmProblem {
  /** Whether each image is positive. */
  readonly isPositive: Uint8Array;
  /** c_i of each image: its class weight, 0 for one that is left out. */
  readonly weights: Float64Array;
}

export interface SvmOptions {
  /** Of the gradient's norm, relative to its norm at w = 0. */
  readonly tolerance: number;
  readonly maxNewtonSteps: number;
  readonly maxGradientSteps: number;
}

export const svmDefaults: SvmOptions = Object.freeze({ tolerance: 1e-7, maxNewtonSteps: 100, maxGradientSteps: 300 });

export interface SvmState {
  readonly problem: SvmProblem;
  /** w with the bias last, [widthStride]; where the next cost starts from. */
  readonly w: Float64Array;
  /** w·x_i, [nStride]. */
  readonly scores: Float64Array;
  /** Norm of the gradient at w = 0 and C = 1, once it is known. */
  zeroNorm: number;
  /** Most gradient steps that a Newton step has taken at the last cost that needed any. */
  usual: { readonly steps: number; readonly C: number };
  /** Steps taken so far, for reports. */
  newtonSteps: number;
  gradientSteps: number;
}

export const startSvm = (problem: SvmProblem, { nStride, widthStride }: Rows): SvmState => ({
  problem,
  w: new Float64Array(widthStride),
  scores: new Float64Array(nStride),
  zeroNorm: -1,
  usual: { steps: 10, C: 0 },
  newtonSteps: 0,
  gradientSteps: 0,
});

/** What a Newton step of one problem holds while it is made. */
interface Step {
  readonly state: SvmState;
  /** 2 C c_i where the margin is not met, else 0, [n]. */
  readonly curvature: Float64Array;
  /** Images of positive curvature, ascending. */
  readonly active: Int32Array;
  readonly residual: Float64Array;
  readonly search: Float64Array;
  readonly direction: Float64Array;
  /** direction · x_i, [n]. */
  readonly directionScores: Float64Array;
  square: number;
  readonly target: number;
}

/**
 * Moves every state to the minimum at cost C, starting where it is; as many states as `rows` has room for.
 * @throws DataError when one is not there after `maxNewtonSteps`
 */
export function solveSvms(rows: Rows, states: readonly SvmState[], C: number, options: Partial<SvmOptions> = {}): void {
  const { tolerance, maxNewtonSteps, maxGradientSteps } = { ...svmDefaults, ...options };
  const fresh = states.filter(({ zeroNorm }) => zeroNorm < 0);
  gradients(rows, fresh, 1, true).forEach((gradient, i) => (fresh[i]!.zeroNorm = norm(gradient)));
  const first = states.map(({ zeroNorm }) => C * zeroNorm); // there it is proportional to C
  let open = states.map((state, i) => ({ state, first: first[i]!, limit: tolerance * first[i]! }));
  for (let round = 0; open.length > 0; round++) {
    const gradient = gradients(
      rows,
      open.map(({ state }) => state),
      C,
      false,
    );
    const steps: Step[] = [];
    const left: typeof open = [];
    open.forEach((one, i) => {
      const size = norm(gradient[i]!);
      if (size <= one.limit) return;
      left.push(one);
      const target = Math.max(0.1 * one.limit, size * Math.min(0.1, size / one.first));
      steps.push(startStep(rows, one.state, C, gradient[i]!, target));
    });
    open = left;
    if (open.length > 0 && round === maxNewtonSteps) {
      throw new DataError(
        `SVM: ${open.length} of ${states.length} problems at cost ${C} did not converge in ${maxNewtonSteps} steps`,
      );
    }
    const isDirect = steps.map((step) => isFactorized(rows, step, C, steps.length));
    conjugateGradients(
      rows,
      steps.filter((_, i) => !isDirect[i]),
      C,
      maxGradientSteps,
    );
    factorize(
      rows,
      steps.filter((_, i) => isDirect[i]),
    );
    for (const step of steps) moveAlong(rows, step, C);
  }
}

/**
 * Whether factorising (a³/3 operations over a active images) is expected to cost less than conjugate gradients: 4nD a step, some
 * 1.4 times as fast, but bound by memory where few problems share a pass; as many steps as last time, growing with the cube
 * root of C, as seen.
 */
function isFactorized(rows: Rows, { active, state: { usual } }: Step, C: number, problems: number): boolean {
  const steps = usual.steps * Math.cbrt(usual.C === 0 ? 1 : Math.max(1, C / usual.C));
  const gradientCost = steps * 4 * rows.n * rows.width * (1 + 6 / problems);
  return active.length <= rows.mostActive && (1.4 * active.length ** 3) / 3 < gradientCost;
}

const norm = (v: Float64Array): number => Math.sqrt(dot(v, v));

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d]! * b[d]!;
  return sum;
}

/** ∇ = w − 2C Σ_{margin < 1} c_i (y_i − f_i) x_i, of each state; at w = 0 with `atZero`. */
function gradients(rows: Rows, states: readonly SvmState[], C: number, atZero: boolean): Float64Array[] {
  const { n, nStride, widthStride, images, gathered } = rows;
  if (states.length === 0) return [];
  states.forEach(({ problem: { isPositive, weights }, scores }, p) => {
    for (let i = 0; i < n; i++) {
      const y = isPositive[i]! ? 1 : -1;
      const f = atZero ? 0 : scores[i]!;
      images[p * nStride + i] = y * f < 1 ? 2 * C * weights[i]! * (f - y) : 0;
    }
  });
  clearOdd(images, states.length, nStride);
  rows.gather(states.length);
  return states.map(({ w }, p) => {
    const gradient = gathered.slice(p * widthStride, (p + 1) * widthStride);
    if (!atZero) for (let d = 0; d < widthStride; d++) gradient[d]! += w[d]!;
    return gradient;
  });
}

/** The products take an even number of vectors. */
function clearOdd(values: Float64Array, count: number, stride: number): void {
  if (count % 2 === 1) values.fill(0, count * stride, (count + 1) * stride);
}

function startStep(
  { n, nStride, widthStride }: Rows,
  state: SvmState,
  C: number,
  gradient: Float64Array,
  target: number,
): Step {
  const { isPositive, weights } = state.problem;
  const curvature = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const margin = isPositive[i]! ? state.scores[i]! : -state.scores[i]!;
    curvature[i] = margin < 1 ? 2 * C * weights[i]! : 0;
  }
  const residual = gradient.map((g) => -g);
  return {
    state,
    curvature,
    active: Int32Array.from(curvature.keys()).filter((i) => curvature[i]! > 0),
    residual,
    search: residual.slice(),
    direction: new Float64Array(widthStride),
    directionScores: new Float64Array(nStride),
    square: dot(residual, residual),
    target,
  };
}

/** Solves (I + Σ curvature_i x_i x_iᵀ) direction = residual for all steps at once; a step is done at its target. */
function conjugateGradients(rows: Rows, steps: readonly Step[], C: number, most: number): void {
  const { n, nStride, widthStride, vectors, images, gathered } = rows;
  let open = steps;
  for (let round = 0; round < most && open.length > 0; round++) {
    open.forEach(({ search }, p) => vectors.set(search, p * widthStride));
    clearOdd(vectors, open.length, widthStride);
    rows.scores(open.length);
    const searchScores = open.map((_, p) => images.slice(p * nStride, (p + 1) * nStride));
    open.forEach(({ curvature }, p) => {
      for (let i = 0; i < n; i++) images[p * nStride + i]! *= curvature[i]!;
    });
    rows.gather(open.length);
    open.forEach((step, p) => {
      const { search, residual, direction, directionScores } = step;
      const applied = gathered.subarray(p * widthStride, (p + 1) * widthStride);
      for (let d = 0; d < widthStride; d++) applied[d]! += search[d]!;
      const alpha = step.square / dot(search, applied);
      for (let d = 0; d < widthStride; d++) {
        direction[d]! += alpha * search[d]!;
        residual[d]! -= alpha * applied[d]!;
      }
      const found = searchScores[p]!;
      for (let i = 0; i < n; i++) directionScores[i]! += alpha * found[i]!;
      const square = dot(residual, residual);
      const beta = square / step.square;
      for (let d = 0; d < widthStride; d++) search[d] = residual[d]! + beta * search[d]!;
      step.square = square;
      step.state.gradientSteps++;
      const { usual } = step.state;
      if (usual.C !== C || usual.steps < round + 1) step.state.usual = { steps: round + 1, C };
    });
    open = open.filter(({ square, target }) => Math.sqrt(square) > target);
  }
}

/**
 * The same directions exactly, where few images are active: the minimum of the quadratic that they span is w = Σ β_i x_i with
 * (K + diag(1 / curvature)) β = y over them.
 */
function factorize(rows: Rows, steps: readonly Step[]): void {
  const { nStride, widthStride, vectors, images, gathered } = rows;
  if (steps.length === 0) return;
  const coefficients = steps.map(({ active, curvature, state }) =>
    rows.solveActive(active, curvature, (i) => (state.problem.isPositive[i]! ? 1 : -1)),
  );
  images.fill(0, 0, (steps.length + (steps.length % 2)) * nStride);
  steps.forEach(({ active }, p) => active.forEach((i, row) => (images[p * nStride + i] = coefficients[p]![row]!)));
  rows.gather(steps.length);
  steps.forEach(({ state, direction }, p) => {
    for (let d = 0; d < widthStride; d++) direction[d] = gathered[p * widthStride + d]! - state.w[d]!;
    vectors.set(direction, p * widthStride);
  });
  clearOdd(vectors, steps.length, widthStride);
  rows.scores(steps.length);
  steps.forEach(({ directionScores }, p) => directionScores.set(images.subarray(p * nStride, (p + 1) * nStride)));
}

/** Exact minimum along the step: φ' is piecewise linear and rising, so Newton on it ends after a few pieces. */
function moveAlong({ n }: Rows, { state, direction, directionScores }: Step, C: number): void {
  const { w, scores, problem } = state;
  const [linear, quadratic] = [dot(w, direction), dot(direction, direction)];
  let t = 1;
  let [low, high] = [0, Infinity];
  for (let round = 0; round < 50; round++) {
    let slope = linear + t * quadratic;
    let curvature = quadratic;
    for (let i = 0; i < n; i++) {
      const y = problem.isPositive[i]! ? 1 : -1;
      const f = scores[i]! + t * directionScores[i]!;
      if (y * f >= 1) continue;
      const c = 2 * C * problem.weights[i]!;
      slope += c * (f - y) * directionScores[i]!;
      curvature += c * directionScores[i]! ** 2;
    }
    if (slope > 0) high = t;
    else low = t;
    let next = t - slope / curvature;
    if (!(next > low && next < high)) next = high === Infinity ? 2 * t : (low + high) / 2;
    const isSettled = Math.abs(next - t) <= 1e-12 * t;
    t = next;
    if (isSettled) break;
  }
  for (let d = 0; d < w.length; d++) w[d]! += t * direction[d]!;
  for (let i = 0; i < n; i++) scores[i]! += t * directionScores[i]!;
  state.newtonSteps++;
}
