import { beforeAll, expect, test } from 'vitest';
import { createRng, type NdArray, type Scalar } from '@unlabel/core';
import { tf } from './backend.ts';
import { emaUpdate } from './ema.ts';
import { valueAndGrads, withoutGradient } from './gradient.ts';
import * as init from './init.ts';
import {
  assignArrays,
  cloneParams,
  copyParams,
  countParams,
  mergeParams,
  parameter,
  prefixed,
  toArrays,
  trainableOf,
  type Layout,
} from './params.ts';
import { checkGradients, expectAllClose, expectNoLeak, testEngine } from './testing.ts';

beforeAll(() => testEngine());

const counting = (shape: readonly number[]): NdArray => {
  const size = shape.reduce((a, b) => a * b, 1);
  return { data: Float32Array.from({ length: size }, (_, i) => i), shape };
};

test.each<[Layout, readonly number[], readonly number[]]>([
  ['conv2d', [4, 3, 2, 5], [2, 5, 3, 4]],
  ['conv1d', [4, 3, 5], [5, 3, 4]],
  ['depthwise2d', [6, 1, 2, 3], [2, 3, 6, 1]],
  ['plain', [4, 3], [4, 3]],
])('%s lies as the engine wants it and comes back in torch layout', async (layout, torch, memory) => {
  const variable = parameter(counting(torch), { layout });
  expect(variable.shape).toEqual(memory);
  const { w } = await toArrays(new Map([['w', variable]]));
  expect(w).toEqual(counting(torch));
});

test('a depthwise kernel with a multiplier convolves as torch groups do', async () => {
  const variable = parameter(counting([4, 1, 1, 1]), { layout: 'depthwise2d', multiplier: 2 });
  const x = tf.tensor([10, 100], [1, 1, 1, 2]) as ReturnType<typeof tf.tensor4d>;
  // torch: output channels 0, 1 see input 0 and channels 2, 3 see input 1
  const y = tf.depthwiseConv2d(x, variable as unknown as ReturnType<typeof tf.tensor4d>, 1, 'valid');
  expect([...(await y.data())]).toEqual([0, 10, 200, 300]);
  expect((await toArrays(new Map([['w', variable]])))['w']).toEqual(counting([4, 1, 1, 1]));
});

test('an import reports what it covered and, when strict, lists every fault and changes nothing', async () => {
  const params = new Map([
    ['a', parameter(counting([2, 3]))],
    ['b', parameter(counting([2]))],
    ['c', parameter(counting([2]))],
  ]);
  const arrays = {
    'net.a': { data: new Float32Array(6).fill(7), shape: [2, 3] },
    'net.b': counting([3]),
    'net.d': counting([1]),
    'net.bn.num_batches_tracked': counting([]),
  };
  const rename = (name: string) => name.replace('net.', '');
  let faults: readonly string[] = [];
  try {
    assignArrays(params, arrays, { rename });
  } catch (error) {
    faults = (error as { faults: readonly string[] }).faults;
  }
  expect(faults).toEqual([
    'b: missing',
    'c: missing',
    'net.d: has no place in this network',
    'net.b: expected [2], found [3]',
  ]);
  expect((await toArrays(params))['a']).toEqual(counting([2, 3]));
  const coverage = assignArrays(params, arrays, { rename, strict: false });
  expect(coverage.loaded).toEqual(['a']);
  expect(coverage.ignored).toEqual(['net.bn.num_batches_tracked']);
  expect((await toArrays(params))['a']!.data[0]).toBe(7);
});

test('maps are prefixed, merged without duplicates, counted, cloned and copied', async () => {
  const a = new Map([['w', parameter(counting([2, 3]))]]);
  const b = new Map([['w', parameter(counting([4]), { trainable: false })]]);
  const all = mergeParams(prefixed('a', a), prefixed('b', b));
  expect([...all.keys()]).toEqual(['a.w', 'b.w']);
  expect(() => mergeParams(a, b)).toThrow(/two parameters are called w/);
  expect(countParams(all)).toBe(10);
  expect([...trainableOf(all).keys()]).toEqual(['a.w']);
  const copy = cloneParams(all, false);
  expect(trainableOf(copy).size).toBe(0);
  copy.get('a.w')!.assign(tf.zeros([2, 3]));
  expect((await toArrays(all))['a.w']).toEqual(counting([2, 3]));
  copyParams(all, copy);
  expect((await toArrays(copy))['a.w']).toEqual(counting([2, 3]));
});

test('an average moves towards the online network without leaking', async () => {
  const online = new Map([['w', parameter(counting([3]))]]);
  const target = new Map([['w', parameter({ data: Float32Array.of(10, 10, 10), shape: [3] })]]);
  emaUpdate(target, online, 0.9);
  expectAllClose(target.get('w')!, [9, 9.1, 9.2], { atol: 1e-6 });
  await expectNoLeak(() => emaUpdate(target, online, 0.9));
});

test('initial values do not depend on the engine and follow torch distributions', () => {
  const rng = createRng(3);
  const w = init.kaimingUniform([64, 32, 3, 3], rng.fork('w'));
  expect(init.kaimingUniform([64, 32, 3, 3], createRng(3).fork('w'))).toEqual(w);
  const bound = 1 / Math.sqrt(32 * 9);
  expect(Math.max(...w.data)).toBeLessThanOrEqual(bound);
  expect(Math.max(...w.data)).toBeGreaterThan(0.99 * bound);
  const std = (x: Float32Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length);
  expect(std(init.xavierNormal([300, 200], rng).data)).toBeCloseTo(Math.sqrt(2 / 500), 3);
  expect(std(init.xavierUniform([300, 200], rng).data)).toBeCloseTo(Math.sqrt(2 / 500), 3);
  const cut = init.truncNormal([10000], 1, rng, 1.5).data;
  expect(Math.max(...cut)).toBeLessThanOrEqual(1.5);
  const whole = init.truncNormal([100_000], 0.5, createRng(5)).data; // ±2 are four deviations
  expect(std(whole)).toBeCloseTo(0.5, 2);
  expect(whole.reduce((sum, v) => sum + v, 0) / whole.length).toBeCloseTo(0, 2);
  expect(whole.filter((v) => Math.abs(v) < 0.5).length / whole.length).toBeCloseTo(0.6827, 2);
  expect(whole.filter((v) => v > 1).length / whole.length).toBeCloseTo(0.0228, 3);
  expect(init.truncNormal([100_000], 0.5, createRng(5)).data).toEqual(whole);
});

test('gradients come by parameter name, logs survive, and nothing else does', async () => {
  const params = new Map([
    ['w', parameter(counting([3]))],
    ['mean', parameter(counting([3]), { trainable: false })],
  ]);
  const run = () =>
    valueAndGrads(params, () => {
      const w = params.get('w')!;
      const mean = params.get('mean')!;
      withoutGradient(() => mean.assign(tf.mul(mean, 0.5)));
      const loss = tf.sum(
        tf.square(
          tf.sub(
            w,
            withoutGradient(() => tf.mul(w, 2)),
          ),
        ),
      ) as Scalar;
      return { loss, logs: { loss, twice: tf.mul(loss, 2) as Scalar } };
    });
  const { loss, logs, grads, dispose } = run();
  expectAllClose(loss, 5, { atol: 1e-6 });
  expectAllClose(logs['twice']!, 10, { atol: 1e-6 });
  expect([...grads.keys()]).toEqual(['w']);
  expectAllClose(grads.get('w')!, [0, -2, -4], { atol: 1e-6 });
  expectAllClose(params.get('mean')!, [0, 0.5, 1], {});
  dispose();
  await expectNoLeak(() => run().dispose());
});

test('the gradient check finds a wrong gradient', async () => {
  const wrong = tf.customGrad((x) => ({
    value: tf.square(x as ReturnType<typeof tf.tensor>),
    gradFunc: (dy) => tf.mul(dy, 3),
  }));
  await checkGradients((x) => tf.sum(tf.square(x)), [counting([4])]);
  await expect(checkGradients((x) => tf.sum(wrong(x)), [counting([4])])).rejects.toThrow(/input 0, element 0/);
});
