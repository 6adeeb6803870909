import { beforeAll, expect, test } from 'vitest';
import { tf } from './backend.ts';
import { clipByGlobalNorm } from './clip.ts';
import { constant, cosine, scheduleFor } from './schedule.ts';
import { expectAllClose, testEngine } from './testing.ts';

beforeAll(() => testEngine());

test('a constant rate warms up linearly and stays', () => {
  const rate = constant(0.4, { warmupSteps: 4 });
  expect([0, 1, 2, 3, 4, 99].map(rate)).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.4].map((x) => expect.closeTo(x, 12)));
});

test('a cosine starts at its peak, falls throughout, and stays at its end', () => {
  const rate = cosine({ peak: 1, final: 0.1, steps: 10, warmupSteps: 2 });
  expect(rate(2)).toBe(1);
  for (let step = 3; step < 10; step++) expect(rate(step)).toBeLessThan(rate(step - 1));
  expect(rate(10)).toBeCloseTo(0.1, 12);
  expect(rate(1000)).toBeCloseTo(0.1, 12);
});

test('a recipe gives its schedule, warm-up counted in epochs', () => {
  const recipe = { optimizer: 'sgd', lr: 2, schedule: 'cosine', warmupEpochs: 2, batchSize: 4, epochs: 10 } as const;
  const rate = scheduleFor(recipe, 50, 5);
  expect([rate(0), rate(5), rate(10), rate(30)]).toEqual([0, 1, 2, expect.closeTo(1, 12)]);
});

test('gradients above the norm are scaled onto it, smaller ones are kept', () => {
  const grads = new Map([
    ['a', tf.tensor([3, 0])],
    ['b', tf.tensor([[4]])],
  ]);
  const tight = clipByGlobalNorm(grads, 1);
  expectAllClose(tight.norm, 5, { rtol: 1e-6 });
  expectAllClose(tight.grads.get('a')!, [0.6, 0], { atol: 1e-6 });
  const wide = clipByGlobalNorm(grads, 10);
  expectAllClose(wide.grads.get('a')!, [3, 0], {});
});
