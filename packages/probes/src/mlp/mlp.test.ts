import { createRng } from '@unlabel/core';
import { expect, test } from 'vitest';
import { metrics } from '../metrics/table.ts';
import type { FitInput, ProbeSplit } from '../protocol-types.ts';
import { linear } from '../linear/protocol.ts';
import { createAdam, createMlp } from './network.ts';
import { mlp } from './protocol.ts';

test.each(['multiclass', 'multilabel'] as const)(
  'the gradients of a %s network equal finite differences',
  (predictionType) => {
    const rng = createRng(1);
    const [width, classes, count] = [6, 3, 5];
    const network = createMlp({ width, hidden: 7, classes, predictionType, batch: 6 }, rng);
    for (let i = 0; i < count; i++)
      for (let d = 0; d < width; d++) network.input[i * network.stride + d] = rng.normal();
    for (const values of network.parameters.slice(1, 2))
      values.forEach((_, i) => (values[i] = i < 7 ? 0.3 * rng.normal() : 0));
    const labels = predictionType === 'multiclass' ? [[0], [1], [2], [1], [0]] : [[0, 2], [], [1], [0, 1, 2], [2]];
    network.backward(labels);
    const gradients = network.gradients.map((values) => values.slice());
    let compared = 0;
    for (const [t, values] of network.parameters.entries()) {
      for (let i = 0; i < values.length; i++) {
        const held = values[i]!;
        const at = (value: number): number => {
          values[i] = value;
          return network.backward(labels);
        };
        const difference = (at(held + 1e-5) - at(held - 1e-5)) / 2e-5;
        values[i] = held;
        if (held === 0 && gradients[t]![i] === 0) continue; // padding
        expect(Math.abs(difference - gradients[t]![i]!)).toBeLessThan(1e-8);
        compared++;
      }
    }
    expect(compared).toBe(7 * 6 + 7 + 3 * 7 + 3);
  },
);

test("Adam's first step has the size of the learning rate, whatever the gradient", () => {
  const parameters = [Float64Array.of(1, 1, 1)];
  createAdam(parameters, 0.01)([Float64Array.of(1e-3, -50, 0)]);
  expect(parameters[0]![0]).toBeCloseTo(0.99, 6);
  expect(parameters[0]![1]).toBeCloseTo(1.01, 6);
  expect(parameters[0]![2]).toBe(1);
});

/** Two classes by the sign of x₀·x₁: no linear probe can tell them apart. */
function quadrants(name: string, n: number): ProbeSplit {
  const rng = createRng(5).fork(name);
  const data = Float32Array.from({ length: n * 4 }, () => rng.normal());
  const labels = Array.from({ length: n }, (_, i) => [data[4 * i]! * data[4 * i + 1]! > 0 ? 1 : 0]);
  return { files: labels.map((_, i) => `${name}${i}`), labels, embeddings: { data, width: 4 } };
}

const [train, valid, held] = [quadrants('train', 400), quadrants('valid', 150), quadrants('test', 150)];
const accuracy = (split: ProbeSplit, scores: Float64Array): number =>
  metrics.top1_acc.compute({ scores, labels: split.labels, classes: 2 });
const input = (seed: number): FitInput => ({
  train,
  valid,
  classes: 2,
  predictionType: 'multiclass',
  select: (scores) => accuracy(valid, scores),
  rng: createRng(seed),
  primary: 'top1_acc',
  vocabulary: ['apart', 'alike'],
  fold: 0,
});

test('learns what a linear probe cannot, and stops at the epoch it reports', () => {
  const probe = mlp.fit(input(1), { hidden: 32, learningRates: [1e-2], maxEpochs: 60 });
  expect(accuracy(held, probe.scores(held))).toBeGreaterThan(0.9);
  expect(accuracy(valid, probe.scores(valid))).toBe(probe.selection['validation']);
  expect(accuracy(held, linear.fit(input(1), {}).scores(held))).toBeLessThan(0.65);
});

test('has the same bits for the same seed and others for another', () => {
  const options = { hidden: 16, learningRates: [1e-2, 1e-3], maxEpochs: 5 };
  const run = (seed: number): Float64Array => mlp.fit(input(seed), options).scores(held);
  expect(run(3)).toEqual(run(3));
  expect(run(3)).not.toEqual(run(4));
});
