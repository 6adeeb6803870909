import { expect, test } from 'vitest';
import { clock, createEstimator, rateText } from './estimate.ts';

test('rate and time left follow the last seconds, not a slow start', () => {
  let now = 0;
  const estimate = createEstimator(1000, () => now);
  now = 100;
  estimate(10); // a hundred seconds of set-up
  for (let done = 10; done <= 310; done += 10) {
    now += 1;
    estimate(done);
  }
  now += 1;
  const { rate, eta, elapsed } = estimate(320);
  expect(rate).toBeCloseTo(10, 0);
  expect(eta).toBeCloseTo(68, 0);
  expect(elapsed).toBe(now);
});

test('times and rates read well', () => {
  expect([clock(5), clock(65.4), clock(7384)]).toEqual(['0:05', '1:05', '2:03:04']);
  expect([rateText(0, 'steps'), rateText(0.25, 'steps'), rateText(3.21, 'steps'), rateText(4200, 'clips')]).toEqual([
    '',
    '4.0 s/step',
    '3.2 steps/s',
    '4.2 k clips/s',
  ]);
});
