import { createRng } from '@unlabel/core';
import { dropoutMask, expectNoLeak, testEngine, tf } from '@unlabel/engine';
import { beforeAll, expect, test } from 'vitest';
import { gridPoints, type GridPoint } from './grid.ts';
import { createNetwork, initialWeights, type Weights } from './network.ts';

beforeAll(() => testEngine());

const point = (changes: Partial<GridPoint>): GridPoint => ({ ...gridPoints('default')[1]!, hiddenDim: 6, ...changes });
const [rows, width, classes] = [7, 5, 3];
const rng = createRng(4);
const x = Array.from({ length: rows * width }, () => rng.normal());
const y = Array.from({ length: rows * classes }, (_, i) => (i % classes === Math.floor(i / classes) % classes ? 1 : 0));

type Matrix = number[][];
const matrix = (data: ArrayLike<number>, columns: number): Matrix =>
  Array.from({ length: data.length / columns }, (_, i) =>
    Array.from({ length: columns }, (_, j) => data[i * columns + j]!),
  );

/**
 * The training step written out in float64 with finite differences for the gradient: slow, and with no code in common with the
 * network but its initial weights and dropout masks.
 */
function literalStep(
  weights: Weights,
  of: GridPoint,
  masks: readonly Float32Array[],
): { weights: Weights; loss: number } {
  const names = Object.keys(weights).filter((name) => !name.includes('running'));
  const values: Record<string, Float64Array> = Object.fromEntries(
    Object.entries(weights).map(([name, { data }]) => [name, Float64Array.from(data)]),
  );
  const statistics: { mean: number[]; variance: number[] }[] = [];
  const lossOf = (): number => {
    statistics.length = 0;
    let h = matrix(x, width);
    for (let l = 0; l < of.hiddenLayers; l++) {
      const w = matrix(values[`hidden.${l}.weight`]!, of.hiddenDim);
      const z = h.map((row) =>
        w[0]!.map((_, j) => row.reduce((s, v, i) => s + v * w[i]![j]!, values[`hidden.${l}.bias`]![j]!)),
      );
      const mean = z[0]!.map((_, j) => z.reduce((s, row) => s + row[j]!, 0) / rows);
      const variance = mean.map((m, j) => z.reduce((s, row) => s + (row[j]! - m) ** 2, 0) / rows);
      statistics.push({ mean, variance });
      const [gamma, beta] = [values[`norm.${l}.weight`]!, values[`norm.${l}.bias`]!];
      h = z.map((row, i) =>
        row.map((v, j) => {
          const normal = ((v - mean[j]!) / Math.sqrt(variance[j]! + 1e-5)) * gamma[j]! + beta[j]!;
          return Math.max(normal * masks[l]![i * of.hiddenDim + j]!, 0);
        }),
      );
    }
    const w = matrix(values['output.weight']!, classes);
    const z = h.map((row) =>
      w[0]!.map((_, j) => row.reduce((s, v, i) => s + v * w[i]![j]!, values['output.bias']![j]!)),
    );
    const logs = z.map((row) => Math.log(row.reduce((s, v) => s + Math.exp(v), 0)));
    return z.reduce((s, row, i) => s + logs[i]! - row.reduce((t, v, j) => t + v * y[i * classes + j]!, 0), 0) / rows;
  };
  const loss = lossOf();
  const after = { ...values };
  for (const name of names) {
    after[name] = values[name]!.map((value, i) => {
      const at = (delta: number): number => {
        values[name]![i] = value + delta;
        const result = lossOf();
        values[name]![i] = value;
        return result;
      };
      const g = (at(1e-5) - at(-1e-5)) / 2e-5;
      // Adam's first step: both moments, corrected for their start, give g and g².
      return value - (of.lr * g) / (Math.abs(g) + 1e-8);
    });
  }
  lossOf();
  statistics.forEach(({ mean, variance }, l) => {
    after[`norm.${l}.running_mean`] = Float64Array.from(mean, (m) => 0.1 * m);
    after[`norm.${l}.running_var`] = Float64Array.from(variance, (v) => 0.9 + (0.1 * v * rows) / (rows - 1));
  });
  const result = Object.fromEntries(
    Object.entries(after).map(([name, data]) => [name, { data: Float32Array.from(data), shape: weights[name]!.shape }]),
  );
  return { weights: result, loss };
}

test.each([1, 2])('a step of %i hidden layers is the literal one', async (hiddenLayers) => {
  const of = point({ hiddenLayers, lr: 1e-2 });
  const shape = { width, classes, predictionType: 'multiclass' } as const;
  const start = createRng(9);
  const network = createNetwork(of, shape, start);
  const before = await network.weights();
  expect(before).toEqual(initialWeights(of, shape, createRng(9).fork('init')));
  const stream = createRng(9).fork('dropout');
  const masks = Array.from({ length: hiddenLayers }, () => dropoutMask(rows * of.hiddenDim, 0.1, stream.int(2 ** 32)));
  const expected = literalStep(before, of, masks);
  const [xs, ys] = [tf.tensor2d(x, [rows, width]), tf.tensor2d(y, [rows, classes])];
  network.step(xs, ys);
  const found = await network.weights();
  for (const [name, { data }] of Object.entries(expected.weights)) {
    // A hidden bias before a batch norm has no gradient but rounding, and Adam makes a step of any size of it.
    if (/^hidden\.\d\.bias$/.test(name)) continue;
    data.forEach((value, i) => {
      const moved = Math.abs(value - before[name]!.data[i]!);
      const isNumericallyFlat = moved < 0.9 * of.lr && !name.includes('running') && name !== 'output.bias';
      if (!isNumericallyFlat) expect(Math.abs(found[name]!.data[i]! - value), `${name}[${i}]`).toBeLessThan(3e-5);
    });
  }
  network.dispose();
  tf.dispose([xs, ys]);
});

test('Xavier’s scale has gain 1 first and √2 afterwards; biases are torch’s', () => {
  const of = point({ hiddenLayers: 2, hiddenDim: 400 });
  const shape = { width: 200, classes: 100, predictionType: 'multiclass' } as const;
  const spread = (data: Float32Array): number => data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const uniform = initialWeights({ ...of, initialization: 'xavier_uniform_' }, shape, createRng(1));
  expect(spread(uniform['hidden.0.weight']!.data)).toBeCloseTo(Math.sqrt(6 / 600), 3);
  expect(spread(uniform['hidden.1.weight']!.data)).toBeCloseTo(Math.sqrt(12 / 800), 3);
  expect(spread(uniform['output.weight']!.data)).toBeCloseTo(Math.sqrt(12 / 500), 3);
  expect(spread(uniform['hidden.1.bias']!.data)).toBeLessThanOrEqual(1 / 20);
  expect(spread(uniform['hidden.1.bias']!.data)).toBeGreaterThan(0.9 / 20);
  const normal = initialWeights({ ...of, initialization: 'xavier_normal_' }, shape, createRng(1))['hidden.1.weight']!
    .data;
  const deviation = Math.sqrt(normal.reduce((sum, value) => sum + value ** 2, 0) / normal.length);
  expect(deviation).toBeCloseTo(Math.sqrt(4 / 800), 3);
});

test('training and scoring leave no tensor behind', async () => {
  await expectNoLeak(async () => {
    const network = createNetwork(point({}), { width, classes, predictionType: 'multilabel' }, createRng(0));
    const [xs, ys] = [tf.tensor2d(x, [rows, width]), tf.tensor2d(y, [rows, classes])];
    network.step(xs, ys);
    network.keep();
    network.step(xs, ys);
    network.keep();
    network.step(xs, ys);
    tf.dispose([network.logits(xs), xs, ys]);
    await network.weights();
    network.dispose();
  });
});

test('what is kept stays as it was while training goes on', async () => {
  const network = createNetwork(point({}), { width, classes, predictionType: 'multilabel' }, createRng(0));
  const [xs, ys] = [tf.tensor2d(x, [rows, width]), tf.tensor2d(y, [rows, classes])];
  network.step(xs, ys);
  const before = await network.weights();
  network.keep();
  network.step(xs, ys);
  expect(await network.weights()).toEqual(before);
  network.keep();
  const after = await network.weights();
  for (const name of Object.keys(before)) expect([name, after[name]]).not.toEqual([name, before[name]]);
  tf.dispose([xs, ys]);
  network.dispose();
});
