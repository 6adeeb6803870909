/** Our kernels against the cpu backend, where the same operations are composed; odd sizes, so that every tail runs. */
import type * as tfjs from '@tensorflow/tfjs-core';
import { createRng } from '@unlabel/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tf } from '../backend.ts';
import { adamWUpdate } from '../ops/adamw.ts';
import { batchNormReluPool, batchNormTrain } from '../ops/batch-norm.ts';
import { dense } from '../ops/dense.ts';
import { dropout } from '../ops/dropout.ts';
import { maxMeanTime } from '../ops/max-mean-time.ts';
import { sparseDense } from '../ops/sparse-dense.ts';
import { sgdMomentum } from '../ops/sgd-momentum.ts';
import { checkGradients } from '../testing.ts';
import { exactNorm, type NormOptions } from './exact-norm.ts';
import { loadKernels, type VariantName } from './kernels.ts';
import { loadWasm, registerAll } from './load.ts';

type Tensor = tfjs.Tensor;

let engine: Awaited<ReturnType<typeof loadWasm>>;
beforeAll(async () => {
  engine = await loadWasm(tf, { threads: 1 });
});

const drawn = new Map<string, Float32Array>();

/** Normal numbers from a seed. */
function normal(shape: number[], seed: number): Tensor {
  const key = `${shape.join()};${seed}`;
  if (!drawn.has(key)) {
    const rng = createRng(seed);
    drawn.set(
      key,
      Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => rng.normal()),
    );
  }
  return tf.tensor(drawn.get(key)!, shape);
}

/** Run, with the gradients of a random weighting of the first result with respect to the inputs. */
function withGradients(inputs: Tensor[], run: (...inputs: Tensor[]) => Tensor[]): Tensor[] {
  const results = run(...inputs);
  const weights = normal(results[0]!.shape, 99);
  const gradients = tf.grads((...xs: Tensor[]) => tf.sum(tf.mul(run(...xs)[0]!, weights)))(inputs);
  return [...results, ...gradients];
}

const conv = (x: Tensor, w: Tensor, stride: number, pad: 'same' | 'valid'): Tensor =>
  tf.conv2d(x as tfjs.Tensor4D, w as tfjs.Tensor4D, stride, pad);

const cases: Record<string, () => Tensor[]> = {};
for (const [m, k, n] of [
  [5, 37, 33],
  [97, 300, 40],
  [230, 300, 40],
  [20, 270, 150],
  [64, 513, 129],
  [1, 300, 200],
  [6, 256, 16],
  [200, 7, 5],
] as const) {
  for (const [ta, tb] of [
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ] as const) {
    cases[`product [${m}, ${k}]·[${k}, ${n}]${ta ? ' Aᵀ' : ''}${tb ? ' Bᵀ' : ''}`] = () =>
      withGradients([normal(ta ? [k, m] : [m, k], 1), normal(tb ? [n, k] : [k, n], 2)], (a, b) => [
        tf.matMul(a, b, ta, tb),
      ]);
  }
}
for (const [m, k, n] of [
  [5, 37, 33],
  [100, 230, 110],
  [200, 97, 192],
] as const) {
  cases[`sparse dense [${m}, ${k}]·[${k}, ${n}]`] = () =>
    withGradients([normal([m, k], 1), normal([k, n], 2), normal([n], 3)], (x, w, b) => [sparseDense(tf.relu(x), w, b)]);
}
cases['batched product'] = () =>
  withGradients([normal([2, 3, 20, 17], 1), normal([2, 3, 17, 19], 2)], (a, b) => [tf.matMul(a, b)]);
// without gradients: TensorFlow.js' own does not sum over a batch that repeats
cases['batched product, one B'] = () => [tf.matMul(normal([6, 20, 17], 1), normal([1, 17, 19], 2))];
cases['batched product, one A'] = () => [tf.matMul(normal([1, 20, 17], 1), normal([6, 17, 19], 2))];
cases['batched product, Bᵀ'] = () =>
  withGradients([normal([6, 20, 17], 1), normal([6, 19, 17], 2)], (a, b) => [tf.matMul(a, b, false, true)]);
cases['fused product'] = () => [
  tf.fused.matMul({
    a: normal([30, 40], 1) as tfjs.Tensor2D,
    b: normal([40, 21], 2) as tfjs.Tensor2D,
    bias: normal([21], 3),
    activation: 'relu',
  }),
];
for (const [x, w, stride, pad] of [
  [[2, 7, 9, 3], [3, 3, 3, 5], 1, 'same'],
  [[1, 8, 12, 16], [3, 3, 16, 32], 1, 'same'],
  [[19, 6, 7, 8], [3, 3, 8, 16], 1, 'same'],
  [[3, 9, 8, 4], [3, 3, 4, 17], 2, 'same'],
  [[2, 9, 8, 4], [5, 3, 4, 20], 1, 'valid'],
  [[2, 20, 31, 1], [3, 3, 1, 64], 1, 'same'],
  [[2, 6, 6, 8], [1, 1, 8, 16], 1, 'same'],
  [[2, 6, 7, 8], [1, 1, 8, 16], 2, 'same'],
  [[2, 16, 16, 3], [4, 4, 3, 24], 4, 'valid'],
  [[1, 5, 56, 256], [3, 3, 256, 5], 1, 'same'],
] as const) {
  cases[`convolution [${x.join(', ')}] by [${w.join(', ')}], stride ${stride}, ${pad}`] = () =>
    withGradients([normal([...x], 1), normal([...w], 2)], (a, b) => [conv(a, b, stride, pad)]);
}
cases['fused convolution'] = () => [
  tf.fused.conv2d({
    x: normal([2, 7, 9, 3], 1) as tfjs.Tensor4D,
    filter: normal([3, 3, 3, 21], 2) as tfjs.Tensor4D,
    strides: 1,
    pad: 'same',
    bias: normal([21], 3),
    activation: 'relu',
  }),
];
const norms: Record<string, () => { inputs: Tensor[]; options: NormOptions }> = {};
for (const [shape, groups, relu, pool] of [
  [[2100, 64], 1, true, false],
  [[40, 5, 21], 2, false, false],
  [[64, 1030], 2, true, false],
  [[6, 3], 1, false, false],
  [[4, 6, 8, 64], 2, true, true],
  [[3, 7, 9, 21], 1, true, true],
  [[1, 6, 60, 300], 1, true, true],
] as const) {
  const width = shape.at(-1)!;
  norms[`[${shape.join(', ')}], ${groups} groups${relu ? ', ReLU' : ''}${pool ? ', pool' : ''}`] = () => ({
    inputs: [tf.add(tf.mul(normal([...shape], 1), 3), 5), normal([width], 2), normal([width], 3)],
    options: { groups, relu, pool },
  });
}
const runNorm = (inputs: Tensor[], { groups, relu, pool }: NormOptions): Tensor[] =>
  withGradients(inputs, (x, g, b) => {
    const result = pool ? batchNormReluPool(x!, g, b, { groups }) : batchNormTrain(x!, g, b, { groups, relu });
    return [result.y, result.mean, result.variance];
  });
for (const [name, make] of Object.entries(norms)) {
  cases[`batch norm ${name}`] = () => {
    const { inputs, options } = make();
    return runNorm(inputs, options);
  };
}
for (const relu of [false, true]) {
  for (const transposeKernel of [false, true]) {
    cases[`dense${relu ? ', ReLU' : ''}${transposeKernel ? ', [out, in]' : ''}`] = () =>
      withGradients(
        [normal([31, 18], 1), normal(transposeKernel ? [35, 18] : [18, 35], 2), normal([35], 3)],
        (x, w, b) => [dense(x, w, b, { relu, transposeKernel })],
      );
  }
}
cases['max pool'] = () =>
  withGradients([normal([3, 7, 9, 21], 1)], (x) => [tf.maxPool(x as tfjs.Tensor4D, 3, 2, 'same')]);
cases['dropout'] = () => withGradients([normal([331], 1)], (x) => [dropout(x, 0.3, 1234567)]);
cases['max and mean over time'] = () => withGradients([normal([3, 7, 21], 1)], (x) => [maxMeanTime(x)]);
cases['AdamW'] = () =>
  adamWUpdate(normal([7, 19], 1), normal([7, 19], 2), normal([7, 19], 3), tf.square(normal([7, 19], 4)), {
    lr: 0.1,
    beta1: 0.9,
    beta2: 0.99,
    eps: 1e-8,
    weightDecay: 0.05,
    step: 3,
  });
for (const nesterov of [false, true]) {
  cases[`SGD${nesterov ? ' with Nesterov momentum' : ''}`] = () =>
    sgdMomentum(normal([7, 19], 1), normal([7, 19], 2), normal([7, 19], 3), {
      lr: 0.1,
      momentum: 0.9,
      weightDecay: 0.01,
      nesterov,
    });
}
for (const [shape, axis] of [
  [[70, 33], 0],
  [[70, 33], 1],
  [
    [5, 6, 7, 8],
    [0, 1, 2],
  ],
  [
    [5, 6, 7, 8],
    [2, 3],
  ],
  [
    [40, 999],
    [0, 1],
  ],
  [[9, 9, 9], 1],
] as const) {
  cases[`sum and mean [${shape.join(', ')}] over ${String(axis)}`] = () => {
    const x = normal([...shape], 1);
    const axes = [axis].flat();
    return [tf.sum(x, axes), tf.mean(x, axes), tf.sum(x, axes, true)];
  };
}

/** The numbers of every result on a backend. */
async function on(backend: 'wasm' | 'cpu', run: () => Tensor[]): Promise<Float32Array[]> {
  await tf.setBackend(backend);
  return tf.tidy(() => run().map((x) => x.dataSync() as Float32Array));
}

/** Largest difference relative to the largest value. */
function worst(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let [error, scale] = [0, 1e-30];
  for (let i = 0; i < actual.length; i++) {
    error = Math.max(error, Number.isFinite(actual[i]!) ? Math.abs(actual[i]! - expected[i]!) : Infinity);
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return error / scale;
}

describe('equal the cpu backend', () => {
  // float32 sums of up to some thousand products in another order: a few units of 2⁻²⁴ times the root of the count
  const composed = Object.entries(cases).filter(([name]) => !name.startsWith('batch norm'));
  test.each(composed)('%s', async (_, run) => {
    const [actual, expected] = [await on('wasm', run), await on('cpu', run)];
    actual.forEach((values, i) => expect(worst(values, expected[i]!)).toBeLessThan(5e-6));
  });
});

// The cpu backend adds up in float32 one by one, which is too rough to compare with.
describe('batch norm equals the same in double precision', () => {
  test.each(Object.entries(norms))('%s', async (_, make) => {
    const actual = await on('wasm', () => {
      const { inputs, options } = make();
      return [...inputs, ...runNorm(inputs, options)];
    });
    const { options } = make();
    const shape = tf.tidy(() => make().inputs[0]!.shape);
    const inputs = actual.slice(0, 3) as [Float32Array, Float32Array, Float32Array];
    const expected = exactNorm(inputs, shape, options, (of) => normal(of, 99).dataSync() as Float32Array);
    expected.forEach((values, i) => expect(worst(actual[i + 3]!, values)).toBeLessThan(5e-7));
  });
});

describe('gradients equal finite differences', () => {
  const images = [2, 6, 7, 5];
  const ops: Record<string, [(x: Tensor, w: Tensor) => Tensor, number[], number[]]> = {
    product: [(x, w) => tf.matMul(x, w), [20, 30], [30, 17]],
    convolution: [(x, w) => conv(x, w, 1, 'same'), images, [3, 3, 5, 17]],
    'strided convolution': [(x, w) => conv(x, w, 2, 'same'), images, [3, 3, 5, 17]],
    'depthwise convolution': [
      (x, w) => tf.depthwiseConv2d(x as tfjs.Tensor4D, w as tfjs.Tensor4D, 1, 'same'),
      images,
      [3, 3, 5, 2],
    ],
    'max pool': [(x, w) => tf.mul(tf.maxPool(x as tfjs.Tensor4D, 2, 2, 'valid'), w), images, [5]],
    'average pool': [(x, w) => tf.mul(tf.avgPool(x as tfjs.Tensor4D, 2, 2, 'valid'), w), images, [5]],
    gather: [(x, w) => tf.mul(tf.gather(x, tf.tensor1d([0, 2, 2, 4], 'int32')), w), [5, 30], [30]],
  };
  test.each(Object.entries(ops))('of %s', async (_, [run, x, w]) => {
    await tf.setBackend('wasm');
    const inputs = [x, w].map((shape, i) => ({ data: normal(shape, i + 1).dataSync() as Float32Array, shape }));
    // No two members of a pool's window nearer than the step of the differences.
    const [width, channels] = [7, 5];
    const corner = (i: number): number =>
      ((Math.floor(i / channels) % width) % 2) + 2 * (Math.floor(i / channels / width) % 2);
    if (x === images) inputs[0]!.data = inputs[0]!.data.map((v, i) => Math.round(v * 10) / 10 + corner(i) / 40);
    await checkGradients((a, b) => tf.mean(tf.sin(run(a!, b!))), inputs, { atol: 3e-4 });
  });
});

test('long sums keep their digits', async () => {
  await tf.setBackend('wasm');
  const x = normal([600, 1000], 5);
  const exact = (x.dataSync() as Float32Array).reduce((sum, value) => sum + value, 0);
  expect(Math.abs(tf.sum(x).dataSync()[0]! - exact)).toBeLessThan(2e-3); // Σ|x| is 5·10⁵
  expect(tf.sum(tf.ones([2 ** 26])).dataSync()[0]).toBe(2 ** 26);
});

describe('bytes', () => {
  /** Every case's results with a build and a number of threads. */
  const withVariant = async (variant: VariantName, threads: number): Promise<Float32Array[]> => {
    const kernels = await loadKernels(engine.heap, threads, variant);
    registerAll({ tf, backend: engine.backend, kernels });
    const results: Float32Array[] = [];
    for (const run of Object.values(cases)) results.push(...(await on('wasm', run)));
    await kernels.stop();
    return results;
  };
  const differing = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
    a.filter((values, i) => !Buffer.from(values.buffer).equals(Buffer.from(b[i]!.buffer))).length;
  let wide: Float32Array[];
  beforeAll(async () => {
    wide = await withVariant('wide', 1);
  });
  afterAll(() => registerAll({ tf, backend: engine.backend, kernels: engine.kernels }));

  test.each([
    ['on a second run', 'wide', 1],
    ['with two threads', 'wide', 2],
    ['with three threads', 'wide', 3],
    ['for 128-bit registers', 'narrow', 2],
  ] as const)('are the same %s', async (_, variant, threads) => {
    expect(differing(await withVariant(variant, threads), wide)).toBe(0);
  });

  test('without relaxed SIMD differ in last bits only', async () => {
    const plain = await withVariant('plain', 2);
    expect(differing(plain, wide)).toBeGreaterThan(0);
    plain.forEach((values, i) => expect(worst(values, wide[i]!)).toBeLessThan(5e-6));
  });
});
