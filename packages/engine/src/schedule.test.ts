import { beforeAll, describe, expect, test } from 'vitest';
import { tf } from './backend.ts';
import { clipByGlobalNorm } from './clip.ts';
import { constant, cosine, linear, scheduleFor, weightDecayFor } from './schedule.ts';
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

test('a line falls by the same amount in each step after its warm-up, and stays at its end', () => {
  const rate = linear({ peak: 1, final: 0.2, steps: 10, warmupSteps: 2 });
  expect([0, 1, 2, 6, 10, 99].map(rate)).toEqual([0, 0.5, 1, 0.6, 0.2, 0.2].map((x) => expect.closeTo(x, 12)));
  const recipe = { optimizer: 'sgd', lr: 2, schedule: 'linear', batchSize: 4, epochs: 10 } as const;
  expect(scheduleFor(recipe, 50, 5)(25)).toBeCloseTo(1, 12);
});

test('a recipe gives its schedule, warm-up counted in epochs', () => {
  const recipe = { optimizer: 'sgd', lr: 2, schedule: 'cosine', warmupEpochs: 2, batchSize: 4, epochs: 10 } as const;
  const rate = scheduleFor(recipe, 50, 5);
  expect([rate(0), rate(5), rate(10), rate(30)]).toEqual([0, 1, 2, expect.closeTo(1, 12)]);
});

// cosine_scheduler_step of Audio-WestlakeU/audiossl@ec3a14d, float64, as ATST-Clip small is trained: 39010 steps, warm-up 1300
describe('a recipe with a rate stated for another batch, an end and a moving decay', () => {
  const recipe = {
    optimizer: 'adamw',
    lr: 5e-4,
    lrBatchSize: 256,
    finalLr: 1e-6,
    weightDecay: 0.04,
    finalWeightDecay: 0.4,
    schedule: 'cosine',
    warmupSteps: 1300,
    isPeakInWarmup: true,
    batchSize: 1536,
    epochs: 300,
  } as const;
  const steps = [0, 1, 649, 1299, 1300, 1301, 19505, 30000, 39008, 39009];

  test('has the published learning rates', () => {
    const expected = [
      0, 2.3094688221709006e-6, 0.0014988452655889145, 0.003, 0.003, 0.002999999994796409, 0.0015816597866836711,
      0.00040396292814262613, 1.000020814364079e-6, 1.0000052035910614e-6,
    ];
    const rate = scheduleFor(recipe, 39010, 130);
    steps.forEach((step, i) => expect(rate(step), `step ${step}`).toBeCloseTo(expected[i]!, 14));
  });

  test('has the published weight decays, without a warm-up', () => {
    const expected = [
      0.03999999999999998, 0.040000000583700845, 0.04024579943545131, 0.04098403954773672, 0.04098555381871527,
      0.04098706925070372, 0.22, 0.3546579658441824, 0.39999999766519645, 0.39999999941629916,
    ];
    const decay = weightDecayFor(recipe, 39010)!;
    steps.forEach((step, i) => expect(decay(step), `step ${step}`).toBeCloseTo(expected[i]!, 14));
    expect(weightDecayFor({ ...recipe, finalWeightDecay: undefined } as never, 10)).toBeUndefined();
  });
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
