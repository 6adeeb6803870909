/**
 * A perceptron with one hidden layer on standardised embeddings: W₂·ReLU(W₁·x + b₁) + b₂, in float64 over the SIMD kernel.
 *
 * Legend: B clips of a batch, D features, H hidden units, C classes; padded to multiples of four, padding stays zero.
 */
import { createWorkspace, roundUp } from '../linalg/kernel.ts';
import { toProbabilities } from '../linear/linear.ts';
import type { PredictionType } from '../linear/loss.ts';
import type { Rng } from '@unlabel/core';

export interface MlpShape {
  readonly width: number;
  readonly hidden: number;
  readonly classes: number;
  readonly predictionType: PredictionType;
  /** Most clips given at once. */
  readonly batch: number;
}

export interface Mlp {
  /** w1 [H, D], b1 [H], w2 [C, H], b2 [C], with padding; gradients in the same order. */
  readonly parameters: readonly Float64Array[];
  readonly gradients: readonly Float64Array[];
  /** Row stride of the clips given to `load`. */
  readonly stride: number;
  /** Where a batch's standardised clips are written before the calls below: rows of `stride`. */
  readonly input: Float64Array;
  /** Logits [count, C] of the loaded clips. */
  forward(count: number): Float64Array;
  /** Mean loss of the loaded clips (a multilabel clip's is the mean over its classes), and its gradients. */
  backward(labels: readonly (readonly number[])[]): number;
}

export function createMlp({ width, hidden, classes, predictionType, batch }: MlpShape, rng: Rng): Mlp {
  const [b, d, h, c] = [batch, width, hidden, classes].map((n) => roundUp(n, 4)) as [number, number, number, number];
  const sizes = [b * d, b * d, h * d, h * d, b * h, b * h, b * h, b * c, b * c, c * h, c * h, c * h];
  const { allocate, dot } = createWorkspace(sizes);
  const [x, xT, w1, gW1, a, aT, gA, z, zT, w2, w2T, gW2] = sizes.map(allocate) as [
    Float64Array, Float64Array, Float64Array, Float64Array, Float64Array, Float64Array,
    Float64Array, Float64Array, Float64Array, Float64Array, Float64Array, Float64Array,
  ]; // prettier-ignore
  const [b1, gB1, b2, gB2] = [new Float64Array(h), new Float64Array(h), new Float64Array(c), new Float64Array(c)];
  // He et al. 2015 for the rectified layer, Glorot's scale for the last; biases zero.
  fillNormal(w1, hidden, width, d, Math.sqrt(2 / width), rng.fork('w1'));
  fillNormal(w2, classes, hidden, h, Math.sqrt(2 / (hidden + classes)), rng.fork('w2'));
  const product = (
    [m, n, k]: readonly [number, number, number],
    left: Float64Array,
    right: Float64Array,
    out: Float64Array,
  ): void => {
    out.fill(0);
    dot({ m, n, k, a: left, aStride: k, b: right, bStride: k, c: out, cRow: n, cColumn: 1, sign: 1 });
  };

  const forward = (count: number): Float64Array => {
    x.fill(0, count * d);
    product([b, h, d], x, w1, a);
    for (let i = 0; i < count; i++) for (let j = 0; j < h; j++) a[i * h + j] = Math.max(a[i * h + j]! + b1[j]!, 0);
    a.fill(0, count * h);
    product([b, c, h], a, w2, z);
    const logits = new Float64Array(count * classes);
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < classes; k++) logits[i * classes + k] = z[i * c + k]! + b2[k]!;
    }
    return logits;
  };

  return {
    parameters: [w1, b1, w2, b2],
    gradients: [gW1, gB1, gW2, gB2],
    stride: d,
    input: x,
    forward,
    backward(labels) {
      const count = labels.length;
      const p = forward(count);
      toProbabilities(p, classes, predictionType);
      const scale = 1 / (count * (predictionType === 'multilabel' ? classes : 1));
      let loss = 0;
      z.fill(0);
      for (const [i, row] of labels.entries()) {
        for (let k = 0; k < classes; k++) {
          const value = p[i * classes + k]!;
          const isPositive = row.includes(k);
          if (isPositive) loss -= Math.log(Math.max(value, 1e-300));
          else if (predictionType === 'multilabel') loss -= Math.log(Math.max(1 - value, 1e-300));
          z[i * c + k] = (value - (isPositive ? 1 : 0)) * scale;
        }
      }
      transpose(z, b, c, zT);
      transpose(a, b, h, aT);
      transpose(w2, c, h, w2T);
      transpose(x, b, d, xT);
      product([c, h, b], zT, aT, gW2);
      product([b, h, c], z, w2T, gA);
      for (let i = 0; i < gA.length; i++) if (a[i] === 0) gA[i] = 0; // ReLU's derivative at zero is taken as zero
      sumColumns(z, b, c, gB2);
      sumColumns(gA, b, h, gB1);
      transpose(gA, b, h, aT);
      product([h, d, b], aT, xT, gW1);
      return loss * scale;
    },
  };
}

function fillNormal(
  matrix: Float64Array,
  rows: number,
  columns: number,
  stride: number,
  scale: number,
  rng: Rng,
): void {
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) matrix[i * stride + j] = scale * rng.normal();
}

function transpose(matrix: Float64Array, rows: number, columns: number, out: Float64Array): void {
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = matrix[i * columns + j]!;
}

function sumColumns(matrix: Float64Array, rows: number, columns: number, out: Float64Array): void {
  out.fill(0);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j]! += matrix[i * columns + j]!;
}

/** Adam (Kingma and Ba, 2015, Algorithm 1) with its default decays; one call is one step over all parameters. */
export function createAdam(
  parameters: readonly Float64Array[],
  learningRate: number,
): (gradients: readonly Float64Array[]) => void {
  const first = parameters.map((values) => new Float64Array(values.length));
  const second = parameters.map((values) => new Float64Array(values.length));
  let step = 0;
  return (gradients) => {
    step++;
    const [c1, c2] = [1 - 0.9 ** step, 1 - 0.999 ** step];
    for (const [t, values] of parameters.entries()) {
      const [g, m, v] = [gradients[t]!, first[t]!, second[t]!];
      for (let i = 0; i < values.length; i++) {
        m[i] = 0.9 * m[i]! + 0.1 * g[i]!;
        v[i] = 0.999 * v[i]! + 0.001 * g[i]! * g[i]!;
        values[i]! -= (learningRate * (m[i]! / c1)) / (Math.sqrt(v[i]! / c2) + 1e-8);
      }
    }
  };
}
