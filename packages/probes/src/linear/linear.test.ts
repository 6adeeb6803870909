import { readFileSync } from 'node:fs';
import { createRng, type Rng } from '@unlabel/core';
import { describe, expect, test } from 'vitest';
import type { PredictionType } from './loss.ts';
import { fitLinear, type LinearData } from './linear.ts';

interface Case {
  readonly name: string;
  readonly predictionType: PredictionType;
  readonly width: number;
  readonly classes: number;
  readonly train: readonly number[];
  readonly labels: readonly (readonly number[])[];
  readonly test: readonly number[];
  readonly fits: readonly { C: number; weights: number[]; bias: number[]; scores: number[] }[];
}
const { cases } = JSON.parse(readFileSync(new URL('../../fixtures/linear-probe.json', import.meta.url), 'utf8')) as {
  cases: readonly Case[];
};

const worst = (actual: ArrayLike<number>, expected: ArrayLike<number>): number => {
  expect(actual.length).toBe(expected.length);
  return Array.from(actual).reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
};
const converge = { tolerance: 0, maxIterations: 2000 };

describe.each(cases)(
  'the linear probe on $name',
  ({ predictionType, width, classes, train, labels, test: other, fits }) => {
    const data: LinearData = { embeddings: { data: Float64Array.from(train), width }, labels, classes, predictionType };
    const active = width - 1; // the fixture's last feature is constant

    test("has scikit-learn's coefficients and probabilities to 1e-7", () => {
      const path = fitLinear(
        data,
        fits.map(({ C }) => 1 / (C * active)),
        converge,
      );
      const projected = path.project({ data: Float64Array.from(other), width });
      for (const [i, fit] of fits.entries()) {
        const { weights, bias } = path.model(path.points[i]!);
        expect(worst(weights, fit.weights)).toBeLessThan(1e-7);
        expect(worst(bias, fit.bias)).toBeLessThan(1e-7);
        expect(worst(path.scores(path.points[i]!, projected), fit.scores)).toBeLessThan(1e-7);
      }
    });

    test('has the same probabilities to 1e-2 where it stops by default', () => {
      const path = fitLinear(
        data,
        fits.map(({ C }) => 1 / (C * active)),
      );
      const projected = path.project({ data: Float64Array.from(other), width });
      for (const [i, fit] of fits.entries()) {
        expect(worst(path.scores(path.points[i]!, projected), fit.scores)).toBeLessThan(1e-2);
      }
    });
  },
);

/** Literal second implementation: full Newton over all weights and biases, with dense Gaussian elimination. */
function newton(x: number[][], y: number[], classes: number, l2: number): number[][] {
  const width = x[0]!.length + 1;
  const rows = x.map((row) => [...row, 1]);
  const theta = Array.from({ length: classes * width }, () => 0);
  for (let iteration = 0; iteration < 40; iteration++) {
    const gradient = theta.map((value, j) => (j % width === width - 1 ? 0 : l2 * value));
    const hessian = theta.map((_, j) => theta.map((__, h) => (j === h ? (j % width === width - 1 ? 1e-9 : l2) : 0)));
    for (const [i, row] of rows.entries()) {
      const logits = Array.from({ length: classes }, (_, k) =>
        row.reduce((sum, v, d) => sum + v * theta[k * width + d]!, 0),
      );
      const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
      const p = logits.map((logit) => Math.exp(logit) / sum);
      for (let j = 0; j < theta.length; j++) {
        const [k, d] = [Math.floor(j / width), j % width];
        gradient[j]! += ((p[k]! - (y[i] === k ? 1 : 0)) * row[d]!) / rows.length;
        for (let h = 0; h < theta.length; h++) {
          const [k2, d2] = [Math.floor(h / width), h % width];
          hessian[j]![h]! += (p[k]! * ((k === k2 ? 1 : 0) - p[k2]!) * row[d]! * row[d2]!) / rows.length;
        }
      }
    }
    for (const [j, step] of eliminate(hessian, gradient).entries()) theta[j]! -= step;
  }
  return Array.from({ length: classes }, (_, k) => theta.slice(k * width, (k + 1) * width));
}

function eliminate(matrix: number[][], right: number[]): number[] {
  const a = matrix.map((row, i) => [...row, right[i]!]);
  for (let i = 0; i < a.length; i++) {
    const pivot = a.slice(i).reduce((best, row, j) => (Math.abs(row[i]!) > Math.abs(a[best]![i]!) ? i + j : best), i);
    [a[i], a[pivot]] = [a[pivot]!, a[i]!];
    for (let r = 0; r < a.length; r++) {
      if (r === i) continue;
      const factor = a[r]![i]! / a[i]![i]!;
      for (let c = i; c <= a.length; c++) a[r]![c]! -= factor * a[i]![c]!;
    }
  }
  return a.map((row, i) => row[a.length]! / row[i]!);
}

const dataset = (rng: Rng, n: number, width: number, classes: number): { x: number[][]; y: number[] } => {
  const y = Array.from({ length: n }, (_, i) => i % classes);
  return { y, x: y.map((k) => Array.from({ length: width }, (_, d) => rng.normal() + (d === k ? 1.5 : 0))) };
};

test('equals a Newton solver over every weight to 1e-7', () => {
  const [n, width, classes, l2] = [30, 3, 3, 0.05];
  const { x, y } = dataset(createRng(2), n, width, classes);
  const mean = x[0]!.map((_, d) => x.reduce((sum, row) => sum + row[d]!, 0) / n);
  const scale = mean.map((m, d) => 1 / Math.sqrt(x.reduce((sum, row) => sum + (row[d]! - m) ** 2, 0) / n));
  const standardized = x.map((row) => row.map((value, d) => (value - mean[d]!) * scale[d]!));
  const theta = newton(standardized, y, classes, l2);
  const embeddings = { data: Float64Array.from(x.flat()), width };
  const data: LinearData = { embeddings, labels: y.map((k) => [k]), classes, predictionType: 'multiclass' };
  const path = fitLinear(data, [(l2 * n) / width], converge);
  const { weights } = path.model(path.points[0]!);
  for (let k = 0; k < classes; k++) {
    for (let d = 0; d < width; d++) expect(weights[k * width + d]! / scale[d]!).toBeCloseTo(theta[k]![d]!, 7);
  }
});

test('is the same model whether solved with more clips than features or fewer', () => {
  // Repeating each feature r times and dividing l2 by r leaves the probabilities as they are, and makes the fit dual.
  const [n, width, classes, repeats] = [24, 4, 3, 7];
  const { x, y } = dataset(createRng(9), n, width, classes);
  const labels = y.map((k) => [k]);
  const narrow = { data: Float64Array.from(x.flat()), width };
  const wide = {
    data: Float64Array.from(x.flatMap((row) => Array.from({ length: repeats }, () => row).flat())),
    width: width * repeats,
  };
  const scores = [narrow, wide].map((embeddings) => {
    const path = fitLinear({ embeddings, labels, classes, predictionType: 'multiclass' }, [0.3], converge);
    return path.scores(path.points[0]!, path.project(embeddings));
  });
  expect(worst(scores[0]!, scores[1]!)).toBeLessThan(1e-7);
});

test('gives the same bits twice, and a path does not depend on the order of its strengths', () => {
  const { x, y } = dataset(createRng(4), 40, 60, 5);
  const data: LinearData = {
    embeddings: { data: Float32Array.from(x.flat()), width: 60 },
    labels: y.map((k) => [k]),
    classes: 5,
    predictionType: 'multiclass',
  };
  const [a, b] = [fitLinear(data, [1, 0.1, 10]), fitLinear(data, [10, 1, 0.1])];
  expect([...a.points[0]!.vector]).toEqual([...b.points[1]!.vector]);
  expect([...a.points[1]!.vector]).toEqual([...b.points[2]!.vector]);
  expect(a.points.every(({ converged }) => converged)).toBe(true);
});

test('shrinks towards the label frequencies as the strength grows', () => {
  const { x, y } = dataset(createRng(7), 40, 6, 4);
  const embeddings = { data: Float32Array.from(x.flat()), width: 6 };
  const labels = y.map((k) => [k % 3]);
  const path = fitLinear({ embeddings, labels, classes: 3, predictionType: 'multiclass' }, [1e9], converge);
  const scores = path.scores(path.points[0]!, path.project(embeddings));
  expect(scores[0]).toBeCloseTo(labels.filter(([k]) => k === 0).length / 40, 6);
});

test('says what is wrong with its input', () => {
  const embeddings = { data: Float32Array.of(1, 2, 3, 4), width: 2 };
  const data: LinearData = { embeddings, labels: [[0], [1]], classes: 2, predictionType: 'multiclass' };
  expect(() => fitLinear(data, [])).toThrow('positive strengths');
  expect(() => fitLinear({ ...data, labels: [[0]] }, [1])).toThrow('2 embeddings for 1 clips');
  expect(() => fitLinear({ ...data, labels: [[0], []] }, [1])).toThrow('clip 1 has 0 labels');
  expect(() => fitLinear({ ...data, labels: [[0], [2]] }, [1])).toThrow('label 2');
  const broken = { data: Float32Array.of(1, 2, NaN, 4), width: 2 };
  expect(() => fitLinear({ ...data, embeddings: broken }, [1])).toThrow('clip 1 is NaN at 0');
});
