import { readFileSync } from 'node:fs';
import { createRng, type GoldenFile, type GoldenTools, type NdArray } from '@unlabel/core';
import { describe, expect, test } from 'vitest';
import { stratifiedFolds } from './folds.ts';
import { svmGoldens } from './goldens.ts';
import { createRows } from './rows.ts';
import { solveSvms, startSvm, type SvmProblem } from './solve.ts';
import { fitVocSvm, svmCosts, type LabelledImages } from './voc-svm.ts';

const fixture = (name: string): Buffer => readFileSync(new URL(`../../fixtures/svm/${name}`, import.meta.url));

/** Tensors of the fixture by name, whatever their type. */
const stored = ((): GoldenTools['stored'] => {
  const bytes = fixture('voc07-svm.safetensors');
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  type Entry = { dtype: 'U8' | 'I8' | 'F64'; shape: number[]; data_offsets: [number, number] };
  const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<string, Entry>;
  return (name) => {
    const { dtype, shape, data_offsets: span } = header[name]!;
    const { buffer } = Uint8Array.from(bytes.subarray(start + span[0], start + span[1]));
    const data =
      dtype === 'F64'
        ? new Float64Array(buffer)
        : Int32Array.from(dtype === 'U8' ? new Uint8Array(buffer) : new Int8Array(buffer));
    return { data, shape };
  };
})();

test('agrees with the golden of VISSL and scikit-learn: costs, cross-validation, AP, decisions', async () => {
  const golden = JSON.parse(fixture('voc07-svm.json').toString()) as GoldenFile;
  const target = svmGoldens['voc07-svm']!;
  const found = (await target.run(golden, { stored } as GoldenTools)) as Record<string, NdArray | number>;
  const bounds = {
    cv_ap_converged: 1e-9,
    test_ap_converged: 1e-9,
    decision_converged: 1e-6,
    chosen_cost: 0,
    fold_of_row: 0,
  };
  const expected = { ...target.expected(golden), decision_converged: stored('decision_converged')! };
  for (const [key, value] of Object.entries(expected)) {
    const [ours, theirs] = [found[key]!, value].map((one) => (typeof one === 'number' ? [one] : [...one.data]));
    const bound = bounds[key.split('.').at(-1) as keyof typeof bounds];
    expect(ours, key).toHaveLength(theirs!.length);
    const error = Math.max(...theirs!.map((one, i) => Math.abs(one - ours![i]!)));
    expect(error, key).toBeLessThanOrEqual(bound);
  }
});

const rng = createRng(4);
function problem(n: number, width: number): { data: Float32Array; problem: SvmProblem } {
  const data = Float32Array.from({ length: n * width }, () => rng.normal() + 0.3);
  const isPositive = Uint8Array.from({ length: n }, (_, i) => (data[i * width]! + 0.5 * rng.normal() > 1 ? 1 : 0));
  return { data, problem: { isPositive, weights: Float64Array.from(isPositive, (one) => 1 + one) } };
}

describe('the solver', () => {
  /** Largest component of w − 2C Σ c_i max(0, 1 − y f) y x, from the rows themselves. */
  function gradientSize(
    data: Float32Array,
    width: number,
    { isPositive, weights }: SvmProblem,
    w: Float64Array,
    C: number,
  ): number {
    const gradient = w.slice(0, width + 1);
    isPositive.forEach((one, i) => {
      const row = data.subarray(i * width, (i + 1) * width);
      const length = Math.hypot(...row) + 1e-5;
      const x = [...Array.from(row, (value) => value / length), 1];
      const y = one ? 1 : -1;
      const f = x.reduce((sum, value, d) => sum + value * w[d]!, 0);
      const slack = Math.max(0, 1 - y * f);
      x.forEach((value, d) => (gradient[d]! -= 2 * C * weights[i]! * slack * y * value));
    });
    return Math.max(...gradient.map(Math.abs));
  }

  test.each([
    ['with more images than features', 60, 7],
    ['with fewer', 13, 40],
  ])('finds where the gradient vanishes, %s', (_, n, width) => {
    const { data, problem: one } = problem(n, width);
    const rows = createRows({ data, width }, 3);
    const states = [0, 1, 2].map(() => startSvm(one, rows));
    for (const C of [1e-4, 0.01, 1, 100]) {
      solveSvms(rows, states, C, { tolerance: 1e-10 });
      for (const { w } of states) expect(gradientSize(data, width, one, w, C)).toBeLessThan(1e-9 * C * n + 1e-12);
    }
  });

  test('conjugate gradients and the factorisation reach the same minimum', () => {
    const { data, problem: one } = problem(80, 20);
    const rows = createRows({ data, width: 20 }, 2);
    const [a, b] = [startSvm(one, rows), startSvm(one, rows)];
    a.usual = { steps: 1e6, C: 3 }; // as if conjugate gradients had been slow
    solveSvms(rows, [a], 3, { tolerance: 1e-10 });
    solveSvms({ ...rows, mostActive: 0 }, [b], 3, { tolerance: 1e-10 });
    expect([a.gradientSteps, b.gradientSteps > 0]).toEqual([0, true]);
    a.w.forEach((value, d) => expect(Math.abs(value - b.w[d]!)).toBeLessThan(1e-7));
  });

  test('says when it stopped before the minimum', () => {
    const { data, problem: one } = problem(40, 5);
    const rows = createRows({ data, width: 5 }, 1);
    expect(() => solveSvms(rows, [startSvm(one, rows)], 10, { maxNewtonSteps: 1 })).toThrow(
      '1 of 1 problems at cost 10 did not converge in 1 steps',
    );
  });

  test('gives the same bits again, and beside other problems', () => {
    const { data, problem: one } = problem(50, 9);
    const other = { ...one, isPositive: one.isPositive.map((flag) => 1 - flag) };
    const run = (problems: readonly SvmProblem[]): Float64Array => {
      const rows = createRows({ data, width: 9 }, 3);
      const states = problems.map((each) => startSvm(each, rows));
      for (const C of [0.01, 1]) solveSvms(rows, states, C);
      return states[0]!.w;
    };
    expect(run([one])).toEqual(run([one, other, other]));
  });
});

describe('folds', () => {
  test('take each label’s rows in order', () => {
    expect([...stratifiedFolds([-1, -1, 1, -1, 1, -1, 1, -1, -1], 3)]).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    expect([...stratifiedFolds([5, 5, 5, 5], 3)]).toEqual([0, 0, 1, 2]);
  });
});

describe('the protocol', () => {
  const images = (n: number, K: number): LabelledImages => {
    const flags = Array.from({ length: n * K }, (_, i) => (i % 5 === 0 ? 0 : rng.range(0, 1) < 0.4 ? 1 : -1));
    const data = Float32Array.from(
      { length: n * 6 },
      (_, i) => rng.normal() + (flags[Math.floor(i / 6) * K] === 1 ? 1 : 0),
    );
    return { embeddings: { data, width: 6 }, flags };
  };
  const [train, test_] = [images(60, 3), images(40, 3)];

  test('reports every cost in the order given, and the first of equal ones', () => {
    const { classes } = fitVocSvm(train, test_, 3, { costs: [1, 0.01, 1] });
    for (const { validation, cost } of classes) {
      expect(validation).toHaveLength(3);
      expect(validation[0]).toBe(validation[2]);
      expect(cost).toBe(validation[1]! > validation[0]! ? 0.01 : 1);
    }
  });

  test('an ignored training image is a negative, unless it is left out', () => {
    const asNegative = { ...train, flags: Array.from(train.flags, (flag) => (flag === 0 ? -1 : flag)) };
    const weightsOf = (from: LabelledImages, ignored: 'negative' | 'left-out'): Float64Array =>
      fitVocSvm(from, test_, 3, { costs: [1], ignored }).classes[0]!.weights;
    expect(weightsOf(train, 'negative')).toEqual(weightsOf(asNegative, 'negative'));
    expect(weightsOf(train, 'left-out')).not.toEqual(weightsOf(train, 'negative'));
  });

  test('ignored test images do not count', () => {
    const flipped = { ...test_, embeddings: { width: 6, data: test_.embeddings.data.slice() } };
    Array.from(test_.flags).forEach((flag, i) => {
      if (flag === 0 && i % 3 === 0) flipped.embeddings.data.fill(9, Math.floor(i / 3) * 6, Math.floor(i / 3) * 6 + 6);
    });
    const ap = (test: LabelledImages): number => fitVocSvm(train, test, 3, { costs: [1] }).classes[0]!.testAp;
    expect(ap(flipped)).toBe(ap(test_));
  });

  test('refuses what it cannot fit', () => {
    expect(() => fitVocSvm({ ...train, flags: Array.from(train.flags, () => -1) }, test_, 3, { costs: [1] })).toThrow(
      'class 0 has 0 positive',
    );
    expect(() => fitVocSvm({ ...train, flags: [2] }, test_, 3, { costs: [1] })).toThrow('expected flags [60, 3]');
    expect(() => fitVocSvm(train, test_, 3, { costs: [0] })).toThrow('expected positive costs');
  });

  test('knows the published grids', () => {
    expect(svmCosts.fair).toHaveLength(18);
    expect(svmCosts.fair.at(-1)).toBe(0.5 ** 19);
  });
});
