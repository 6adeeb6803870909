import { describe, expect, test } from 'vitest';
import type { GoldenFile, GoldenOutputs, NdArray, TypedArray } from '@unlabel/core';
import { compareOutputs } from './golden-compare.ts';

const array = (values: readonly number[], shape: readonly number[] = [values.length]): NdArray => ({
  data: Float32Array.from(values),
  shape,
});

interface Made {
  golden: Partial<GoldenFile>;
  found: GoldenOutputs;
  stored?: Readonly<Record<string, NdArray<TypedArray>>>;
  expected?: GoldenOutputs;
}

function shares({ golden, found, stored = {}, expected }: Made): Record<string, number> {
  const file: GoldenFile = { name: 'x', seed: 0, ...golden };
  return Object.fromEntries(
    compareOutputs(file, found, (name) => stored[name], expected).map(({ output, share }) => [output, share]),
  );
}

const one = (extra: object = {}) => [{ name: 'y', shape: [2], stride: 1, ...extra }];

describe('a tolerance', () => {
  const stored = { y: array([10, 0]) };
  const found = { y: array([10.5, 0.25]) };

  test('of atol and rtol bounds an element by atol + rtol·|b|', () => {
    const golden = { outputs: one(), tolerance: { atol: 0.5, rtol: 0.1 } };
    expect(shares({ golden, found, stored })['y']).toBeCloseTo(0.5); // 0.25 of 0.5; 0.5 of 1.5 is less
  });

  test('of the output replaces the file’s, value by value', () => {
    const golden = { outputs: one({ atol: 0.125 }), tolerance: { atol: 9, rtol: 0 } };
    expect(shares({ golden, found, stored })['y']).toBeCloseTo(4);
  });

  test('that is a plain number t bounds by t·max(1, |b|)', () => {
    const golden = { outputs: { y: { shape: [2] } }, tolerance: 0.1 };
    expect(shares({ golden, found, stored })['y']).toBeCloseTo(2.5);
  });

  test('named after an output bounds that output alone; anything else must be equal', () => {
    const golden = {
      outputs: { 'k.scores': { shape: [1] }, 'k.top1': { shape: [1] } },
      tolerance: { scores: 0.5, top1: 'identical' },
    };
    const stored = { 'k.scores': array([1]), 'k.top1': array([1]) };
    const found = { 'k.scores': array([1.25]), 'k.top1': array([1.25]) };
    expect(shares({ golden, found, stored })).toEqual({ 'k.scores': 0.5, 'k.top1': Infinity });
  });

  test('of image operators is read from its words, bytes included', () => {
    const tolerance = {
      'pil.* and tensor_u8.*': 'aim for identical; accept at most 1 grey level (hue, saturation: 2)',
      'tensor_f32.*': '2e-6 (blur, resize 1e-5, hue 1e-4)',
    };
    const names = ['pil.solarize.128', 'tensor_u8.hue.0.2', 'tensor_f32.solarize.0.5', 'tensor_f32.resize.x'];
    const golden = { tolerance, outputs: Object.fromEntries(names.map((name) => [name, { shape: [1] }])) };
    const bytes = { data: Uint8Array.of(10), shape: [1] };
    const stored = { [names[0]!]: bytes, [names[1]!]: bytes, [names[2]!]: array([1]), [names[3]!]: array([1]) };
    const found = Object.fromEntries(names.map((name, i) => [name, array([i < 2 ? 11 : 1 + 2 ** -18])]));
    const found4 = shares({ golden, found, stored });
    expect(names.map((name) => found4[name])).toEqual([1, 0.5, expect.closeTo(1.907, 3), expect.closeTo(0.3815, 3)]);
  });

  test('relative to the largest value holds for every element of the tensor', () => {
    const golden = { outputs: one(), tolerance: { atol: 0, rtol: 0.1, note: 'relative to the absmax of the tensor' } };
    expect(shares({ golden, found, stored })['y']).toBeCloseTo(0.5);
  });
});

describe('the remark on spectra', () => {
  const remark = 'relative to the largest value for linear power; absolute 2e-3 for log/dB away from the floor';
  const fn = 'torchaudio.transforms.MelSpectrogram';
  const golden = {
    cases: [
      { name: 'power', fn, post: 'none' },
      { name: 'log', fn, post: 'log_eps' },
      { name: 'db', fn: 'librosa.power_to_db(above, ref=max, top_db=80)' },
      { name: 'bank', fn: 'torchaudio.functional.melscale_fbanks' },
    ],
    outputs: ['power', 'log', 'db', 'bank'].map((name) => ({ name, shape: [2], stride: 1 })),
    tolerance: { atol: 0, rtol: 0.001, remark },
  };

  test('compares power with the largest value, logarithms absolutely, and the rest as usual', () => {
    const all = (values: readonly number[]) =>
      Object.fromEntries(['power', 'log', 'db', 'bank'].map((name) => [name, array(values)]));
    const result = shares({ golden, found: all([100, 1.01]), stored: all([100, 1]) });
    expect(result['power']).toBeCloseTo(0.1, 4); // 0.01 of 0.1
    expect(result['log']).toBeCloseTo(5, 4); // 0.01 of 0.002
    expect(result['db']).toBeCloseTo(5, 4);
    expect(result['bank']).toBeCloseTo(10, 4); // 0.01 of 0.001
  });
});

describe('a tensor', () => {
  test('stored at a stride is compared with every stride-th element, and its statistics with all of them', () => {
    const stats = { mean: 2.5, std: Math.sqrt(35 / 12), absmax: 5 };
    const golden = { outputs: [{ name: 'y', shape: [2, 3], stride: 2, stats }], tolerance: { atol: 0.01, rtol: 0 } };
    const stored = { y: array([0, 2, 4]) };
    expect(shares({ golden, found: { y: array([0, 1, 2, 3, 4, 5], [2, 3]) }, stored })['y']).toBeLessThan(1e-4);
    expect(shares({ golden, found: { y: array([0, 1, 2, 3, 4, 9], [2, 3]) }, stored })['y']).toBeGreaterThan(1);
  });

  test('of integers must be equal, whatever the tolerance', () => {
    const golden = { outputs: one(), tolerance: { atol: 5, rtol: 5 } };
    const stored = { y: { data: Int32Array.of(3, 4), shape: [2] } };
    expect(shares({ golden, found: { y: array([3, 4]) }, stored })['y']).toBe(0);
    expect(shares({ golden, found: { y: array([3, 5]) }, stored })['y']).toBe(Infinity);
  });

  test('fails when it is missing, misshapen or not a number', () => {
    const golden = { outputs: one(), tolerance: { atol: 1, rtol: 1 } };
    const stored = { y: array([1, 2]) };
    expect(shares({ golden, found: {}, stored })['y']).toBe(Infinity);
    expect(shares({ golden, found: { y: array([1, 2], [1, 2]) }, stored })['y']).toBe(Infinity);
    expect(shares({ golden, found: { y: array([1, NaN]) }, stored })['y']).toBe(Infinity);
    expect(shares({ golden, found: { y: array([1, 2]) } })['y']).toBe(Infinity);
  });

  test('of a gradient may have a handful of elements beyond its bound when the whole is near', () => {
    const golden = { outputs: [{ name: 'grad.w', shape: [200], stride: 1 }], tolerance: { atol: 1e-6, rtol: 0 } };
    const ones = Array.from({ length: 200 }, () => 1);
    const stored = { 'grad.w': array(ones) };
    const withErrors = (count: number, error: number) => ({
      'grad.w': array(ones.map((one, i) => (i < count ? one + error : one))),
    });
    // ‖a − b‖/‖b‖ = error·√(count/200)
    expect(shares({ golden, found: withErrors(2, 0.005), stored })['grad.w']).toBeCloseTo(0.5, 3);
    expect(shares({ golden, found: withErrors(2, 0.02), stored })['grad.w']).toBeGreaterThan(1);
    expect(shares({ golden, found: withErrors(3, 0.005), stored })['grad.w']).toBeGreaterThan(1000);
    const other = { outputs: [{ name: 'w', shape: [200], stride: 1 }], tolerance: { atol: 1e-6, rtol: 0 } };
    expect(
      shares({ golden: other, found: { w: withErrors(2, 0.005)['grad.w'] }, stored: { w: array(ones) } })['w'],
    ).toBeGreaterThan(1000);
  });

  test('matches not-a-number and infinities only with themselves', () => {
    const golden = { outputs: one(), tolerance: { atol: 1 } };
    const stored = { y: array([NaN, -Infinity]) };
    expect(shares({ golden, found: { y: array([NaN, -Infinity]) }, stored })['y']).toBe(0);
    expect(shares({ golden, found: { y: array([NaN, Infinity]) }, stored })['y']).toBe(Infinity);
  });
});

describe('a scalar', () => {
  test('is a number or { value }, and non-finite ones are strings', () => {
    const golden = { scalars: { a: 1, b: { value: 2, preset: 'p' }, c: 'NaN' }, tolerance: { atol: 0.5 } };
    expect(shares({ golden, found: { a: 1.25, b: array([2]), c: NaN } })).toEqual({ a: 0.5, b: 0, c: 0 });
    expect(shares({ golden, found: { a: 1, b: 2, c: 1 } })['c']).toBe(Infinity);
    expect(shares({ golden, found: { a: 1, c: NaN } })['b']).toBe(Infinity);
  });
});

test('what a target expects itself is compared too, and stored inputs listed as outputs are not', () => {
  const golden = { outputs: { 'case.prediction': { shape: [2] } }, tolerance: 1e-12 };
  const result = shares({ golden, found: { 'case.top1': 0.5 }, expected: { 'case.top1': 0.5, 'case.auc': NaN } });
  expect(result).toEqual({ 'case.top1': 0, 'case.auc': Infinity });
});
