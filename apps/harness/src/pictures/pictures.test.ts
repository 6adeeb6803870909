import { expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { principalPlane } from './projection.ts';
import { lineChart, scatterChart, ticks } from './svg.ts';

test('ticks are round and inside', () => {
  expect(ticks(0, 10)).toEqual([0, 2, 4, 6, 8, 10]);
  expect(ticks(-0.013, 0.021)).toEqual([-0.01, 0, 0.01, 0.02]);
  expect(ticks(3, 3)).toEqual([3]);
});

test('charts place their points in the frame and escape names', () => {
  const svg = lineChart('a <b>', 'step', [
    {
      name: 'x&y',
      points: [
        [0, 1],
        [10, 2],
      ],
    },
  ]);
  expect(svg).toContain('a &#60;b&#62;');
  expect(svg).not.toContain('x&y');
  const [, first, second] = /points="([\d.]+),[\d.]+ ([\d.]+),[\d.]+"/.exec(svg)!;
  expect([Number(first), Number(second)]).toEqual([58, 624]);
  expect(scatterChart('t', [{ name: 'n', points: [] }])).toContain('</svg>');
});

test('the principal plane keeps the two largest variances, as the eigenvectors give them', () => {
  const rng = createRng(4);
  // three independent directions with deviations 5, 2, 0.1, turned by a fixed rotation
  const rows = Array.from({ length: 400 }, () => {
    const [a, b, c] = [5 * rng.normal(), 2 * rng.normal(), 0.1 * rng.normal()];
    return Float32Array.from([0.6 * a - 0.8 * b, 0.8 * a + 0.6 * b, c]);
  });
  const plane = principalPlane(rows);
  const variance = (k: 0 | 1): number => plane.reduce((sum, point) => sum + point[k] ** 2, 0) / plane.length;
  const covariance = plane.reduce((sum, [x, y]) => sum + x * y, 0) / plane.length;
  expect(Math.sqrt(variance(0))).toBeGreaterThan(4.5);
  expect(Math.abs(Math.sqrt(variance(1)) - 2)).toBeLessThan(0.3);
  expect(Math.abs(covariance)).toBeLessThan(0.05);
});
