import { beforeAll, expect, test } from 'vitest';
import type { Tensor } from '@unlabel/core';
import { testEngine, tf } from '@unlabel/engine';
import { tempoDifference, tempoRatio } from './tempo-ratio.ts';

beforeAll(() => testEngine());

const column = (...values: number[]): Tensor => tf.tensor2d(values, [values.length, 1]);
const ri = column(0.9, 1.1, 0.8);
const rj = column(1.2, 0.85, 1.05);

test('scalars in the ratio of the rates cost nothing, whatever their factor and sign', () => {
  for (const factor of [1, 7, -0.3]) {
    const [zi, zj] = [tf.mul(ri, factor), tf.mul(rj, factor)];
    expect(tempoRatio(zi, zj, ri, rj).dataSync()[0]).toBeCloseTo(0, 6);
    expect(tempoDifference(zi, zj, ri, rj).dataSync()[0]).toBeCloseTo(0, 6);
  }
});

test('a constant costs the distance of the rates from 1', () => {
  const ones = column(1, 1, 1);
  const pairs = [[0.9, 1.2], [1.1, 0.85], [0.8, 1.05]] as const; // prettier-ignore
  const expected = pairs.reduce((sum, [a, b]) => sum + (Math.abs(1 - a / b) + Math.abs(1 - b / a)) / 2, 0) / 3;
  expect(tempoRatio(ones, ones, ri, rj).dataSync()[0]).toBeCloseTo(expected, 6);
});

test('the views may change places; the difference vanishes at zero, the ratio does not', () => {
  const [zi, zj] = [column(0.4, -1, 2), column(0.7, 0.9, 1.5)];
  expect(tempoRatio(zi, zj, ri, rj).dataSync()[0]).toBeCloseTo(tempoRatio(zj, zi, rj, ri).dataSync()[0]!, 6);
  expect(tempoDifference(tf.zerosLike(zi), tf.zerosLike(zj), ri, rj).dataSync()[0]).toBe(0);
  expect(tempoRatio(tf.mul(zi, 1e-6), tf.mul(zj, 1e-6), ri, rj).dataSync()[0]).toBeGreaterThan(0.5);
});

test('shapes that differ are refused', () => {
  expect(() => tempoRatio(column(1, 2), tf.tensor1d([1, 2]), column(1, 1), column(1, 1))).toThrow(/\[2, 1\], \[2\]/);
  expect(() => tempoDifference(column(1), column(1, 1), column(1), column(1))).toThrow(/four of one shape/);
});
