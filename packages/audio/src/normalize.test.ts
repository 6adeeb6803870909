import { expect, test } from 'vitest';
import type { NdArray } from '@unlabel/core';
import { normalizeClip, normalizeFixed, normalizeL2, normalizeMinMax, runningNorm } from './normalize.ts';

const constant = (value: number): NdArray => ({ data: new Float32Array(4).fill(value), shape: [2, 2] });

test('running statistics average all samples seen, and freeze after the epochs given', () => {
  const norm = runningNorm({ epochSamples: 3, maxUpdateEpochs: 1 });
  const means = [1, 5, 3, 100].map((value) => {
    norm.apply(constant(value));
    return norm.state().mean;
  });
  expect(means).toEqual([1, 3, 3, 3]);
});

test('the lagging counter gives 1, 5, 4 for means of 1, 5, 3', () => {
  const norm = runningNorm({ epochSamples: 10, laggingCount: true });
  const means = [1, 5, 3].map((value) => {
    norm.apply(constant(value));
    return norm.state().mean;
  });
  expect(means).toEqual([1, 5, 4]);
});

test('the state can be restored', () => {
  const make = (): ReturnType<typeof runningNorm> => runningNorm({ epochSamples: 100 });
  const x: NdArray = { data: Float32Array.of(1, -2, 4, 0.5), shape: [2, 2] };
  const one = make();
  one.apply(constant(3));
  const other = make();
  other.restore(one.state());
  expect(other.apply(x)).toEqual(one.apply(x));
});

test('constant input does not divide by zero', () => {
  expect(runningNorm({ epochSamples: 1 }).apply(constant(7)).data).toEqual(new Float32Array(4));
});

test('fixed, min–max, clip and L2 normalisation do what they say', () => {
  expect([...normalizeFixed(Float32Array.of(1, 3), 1, 2)]).toEqual([0, 1]);
  expect([...normalizeMinMax(Float32Array.of(0, 5, 20), 0, 10)]).toEqual([-1, 0, 3]);
  expect([...normalizeClip(Float32Array.of(1, 3), 0)]).toEqual([-1, 1]);
  expect([...normalizeL2(Float32Array.of(3, 4), 0)].map((x) => x.toFixed(6))).toEqual(['0.600000', '0.800000']);
  expect(() => normalizeFixed(new Float32Array(1), 0, 0)).toThrow('std > 0');
});
