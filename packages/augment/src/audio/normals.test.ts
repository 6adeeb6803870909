import { expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { normals } from './normals.ts';

const n = 400_000;
const draws = normals(n, createRng(1));
const share = (is: (x: number) => boolean): number => draws.filter(is).length / n;

/** P(|X| < x) of the standard normal by Simpson's rule. */
function within(x: number): number {
  const steps = 2000;
  const h = x / steps;
  let sum = 1 + Math.exp((-x * x) / 2);
  for (let i = 1; i < steps; i++) sum += (i % 2 === 0 ? 2 : 4) * Math.exp(-((i * h) ** 2) / 2);
  return (2 * (sum * h)) / 3 / Math.sqrt(2 * Math.PI);
}

test('have the moments of a standard normal', () => {
  const moment = (k: number): number => draws.reduce((sum, x) => sum + x ** k, 0) / n;
  for (const [k, expected, spread] of [[1, 0, 1], [2, 1, Math.SQRT2], [3, 0, Math.sqrt(15)], [4, 3, Math.sqrt(96)]] as const) {
    expect(Math.abs(moment(k) - expected)).toBeLessThan((4.5 * spread) / Math.sqrt(n));
  } // prettier-ignore
});

// the edges of the layers and the tail are where a slip would show: 0.27 … 3.44
test.each([0.05, 0.25, 0.3, 0.6, 1, 1.5, 2, 2.5, 3, 3.3, 3.44, 3.6, 4])(
  'fall within ±%s as often as they must',
  (x) => {
    const p = within(x);
    expect(Math.abs(share((draw) => Math.abs(draw) < x) - p)).toBeLessThan(4.5 * Math.sqrt((p * (1 - p)) / n) + 1e-9);
  },
);

test('neither sign nor neighbour tells anything, and the draws are those of the stream', () => {
  expect(Math.abs(share((x) => x > 0) - 0.5)).toBeLessThan(4.5 * (0.5 / Math.sqrt(n)));
  let product = 0;
  for (let i = 1; i < n; i++) product += draws[i]! * draws[i - 1]!;
  expect(Math.abs(product / n)).toBeLessThan(4.5 / Math.sqrt(n));
  expect(normals(50, createRng(1))).toEqual(draws.slice(0, 50));
  expect(normals(0, createRng(1)).length).toBe(0);
});
