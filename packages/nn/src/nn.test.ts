import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, goldenTensor, type NdArray, type Tensor } from '@unlabel/core';
import {
  checkGradients,
  dense,
  dropoutMask,
  expectAllClose,
  expectNoLeak,
  gradientToArray,
  testEngine,
  tf,
  toArrays,
  valueAndGrads,
} from '@unlabel/engine';
import { batchNorm } from './batch-norm.ts';
import { conv2d, maxPool2d } from './conv.ts';
import { dropout } from './dropout.ts';
import { linear } from './linear.ts';
import { mlp } from './mlp.ts';

beforeAll(() => testEngine());

const random = (name: string, shape: number[], scale = 1): NdArray => goldenTensor(`input:${name}`, 7, shape, scale);
const asTensor = ({ data, shape }: NdArray): Tensor => tf.tensor(data, [...shape]);

describe('linear', () => {
  test('multiplies by the transposed weight and adds the bias, over the last axis', async () => {
    const layer = linear(3, 2, createRng(1));
    const { weight, bias } = await toArrays(layer.params);
    const x = random('x', [2, 4, 3]);
    const expected = new Float32Array(16);
    for (let row = 0; row < 8; row++) {
      for (let o = 0; o < 2; o++) {
        let sum = bias!.data[o]!;
        for (let i = 0; i < 3; i++) sum += x.data[row * 3 + i]! * weight!.data[o * 3 + i]!;
        expected[row * 2 + o] = sum;
      }
    }
    expectAllClose(
      layer.forward(asTensor(x), { training: false }),
      { data: expected, shape: [2, 4, 2] },
      { atol: 1e-6 },
    );
  });

  test('has the gradient that differences show', async () => {
    const inputs = [random('x', [4, 3]), random('w', [2, 3]), random('b', [2])];
    await checkGradients((x, w, b) => tf.sum(tf.square(dense(x, w, b, { transposeKernel: true }))), inputs);
  });
});

describe('conv2d', () => {
  test('has the gradient of a product where a 1×1 kernel skips pixels, whatever lay in memory before', async () => {
    const layer = conv2d(6, 12, 1, createRng(2), { stride: 2, hasBias: false });
    const x = asTensor(random('image', [4, 10, 10, 6]));
    const dy = asTensor(random('dy', [4, 5, 5, 12]));
    const kept = tf.tidy(() =>
      tf.reshape(tf.slice(tf.reshape(x, [4, 5, 2, 5, 2, 6]), [0, 0, 0, 0, 0, 0], [4, 5, 1, 5, 1, 6]), [100, 6]),
    );
    const expected = tf.tidy(() => tf.matMul(tf.reshape(dy, [100, 12]), kept, true, false)); // [out, in]
    for (let repeat = 0; repeat < 10; repeat++) {
      for (const size of [100, 300, 600, 1000, 2400, 9600]) tf.dispose([1, 2, 3, 4].map(() => tf.fill([size], 1e3)));
      const { grads, dispose } = valueAndGrads(layer.params, () => {
        return { loss: tf.sum(tf.mul(layer.forward(x, { training: true }), dy)), logs: {} };
      });
      const gradient = await gradientToArray(grads.get('weight')!, layer.weight);
      expectAllClose({ ...gradient, shape: [12, 6] }, expected, { atol: 1e-4, rtol: 1e-4 });
      dispose();
    }
  });

  test('correlates with zero padding as torch does', async () => {
    const layer = conv2d(2, 3, 3, createRng(2), { padding: 1, stride: 2 });
    const { weight, bias } = await toArrays(layer.params);
    const [h, w] = [5, 4];
    const x = random('image', [1, h, w, 2]);
    const expected: number[] = [];
    for (let row = 0; row < 3; row++) {
      for (let column = 0; column < 2; column++) {
        for (let o = 0; o < 3; o++) {
          let sum = bias!.data[o]!;
          for (let c = 0; c < 2; c++) {
            for (let i = 0; i < 3; i++) {
              for (let j = 0; j < 3; j++) {
                const [y, z] = [2 * row + i - 1, 2 * column + j - 1];
                if (y < 0 || z < 0 || y >= h || z >= w) continue;
                sum += weight!.data[((o * 2 + c) * 3 + i) * 3 + j]! * x.data[(y * w + z) * 2 + c]!;
              }
            }
          }
          expected.push(sum);
        }
      }
    }
    const y = layer.forward(asTensor(x), { training: false });
    expectAllClose(y, { data: Float32Array.from(expected), shape: [1, 3, 2, 3] }, { atol: 1e-6 });
  });

  test('pooling drops an incomplete window', () => {
    const x = tf.tensor([1, 5, 9, 2, 3, 8, 7, 6, 4], [1, 3, 3, 1]);
    expectAllClose(maxPool2d(2).forward(x, { training: true }), { data: Float32Array.of(5), shape: [1, 1, 1, 1] }, {});
  });
});

describe('batchNorm', () => {
  /** Literal second implementation in float64. x [N, C] */
  function literal(x: Float32Array, width: number, eps: number) {
    const n = x.length / width;
    const mean = Array.from({ length: width }, (_, c) => average(n, (i) => x[i * width + c]!));
    const variance = mean.map((m, c) => average(n, (i) => (x[i * width + c]! - m) ** 2));
    const y = Array.from(x, (value, i) => (value - mean[i % width]!) / Math.sqrt(variance[i % width]! + eps));
    return { mean, variance, y, n };
  }
  const average = (n: number, value: (i: number) => number) => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += value(i);
    return sum / n;
  };

  test('normalises by the biased variance and follows the unbiased one', async () => {
    const layer = batchNorm(3, { isAffine: false });
    const x = random('x', [2, 3, 2, 3], 2);
    const { mean, variance, y, n } = literal(x.data, 3, 1e-5);
    expectAllClose(
      layer.forward(asTensor(x), { training: true }),
      { data: Float32Array.from(y), shape: x.shape },
      { atol: 2e-6 },
    );
    const after = await toArrays(layer.params);
    expect(Object.keys(after)).toEqual(['running_mean', 'running_var']);
    expectAllClose(
      after['running_mean']!.data,
      mean.map((m) => 0.1 * m),
      { atol: 1e-7 },
    );
    expectAllClose(
      after['running_var']!.data,
      variance.map((v) => 0.9 + (0.1 * v * n) / (n - 1)),
      { atol: 1e-6 },
    );
  });

  test('evaluates with the running statistics and leaves them alone', async () => {
    const layer = batchNorm(2);
    const x = tf.tensor([1, 2, 3, 4], [2, 2]);
    layer.forward(x, { training: true });
    const before = await toArrays(layer.params);
    const y = layer.forward(x, { training: false });
    const [mean, variance] = [before['running_mean']!.data, before['running_var']!.data];
    const expected = [1, 2, 3, 4].map((value, i) => (value - mean[i % 2]!) / Math.sqrt(variance[i % 2]! + 1e-5));
    expectAllClose(y, { data: Float32Array.from(expected), shape: [2, 2] }, { atol: 1e-6 });
    expect(await toArrays(layer.params)).toEqual(before);
  });

  test('differentiates through its own moments', async () => {
    const layer = batchNorm(3);
    layer.weight!.assign(asTensor(random('gain', [3])) as ReturnType<typeof tf.tensor>);
    const probe = asTensor(random('probe', [6, 3]));
    await checkGradients((x) => tf.sum(tf.mul(probe, layer.forward(x, { training: true }))), [random('x', [6, 3], 2)]);
  });

  test('treats groups of rows as batches that follow each other', async () => {
    const [both, apart] = [batchNorm(3), batchNorm(3)];
    const [a, b] = [asTensor(random('a', [4, 3], 2)), asTensor(random('b', [4, 3], 3))];
    const together = both.forward(tf.concat([a, b]), { training: true, groups: 2 });
    const [first, second] = [a, b].map((x) => apart.forward(x, { training: true }));
    expectAllClose(together, tf.concat([first!, second!]), { atol: 1e-6 });
    const [after, expected] = [await toArrays(both.params), await toArrays(apart.params)];
    for (const name of ['running_mean', 'running_var']) expectAllClose(after[name]!, expected[name]!, { atol: 1e-6 });
  });

  test('updates its buffers inside a gradient, without leaking', async () => {
    const layer = batchNorm(3);
    const x = asTensor(random('x', [8, 3]));
    const run = () =>
      valueAndGrads(layer.params, () => {
        const y = layer.forward(x, { training: true });
        return { loss: tf.sum(tf.square(tf.add(y, 1))) as ReturnType<typeof tf.scalar>, logs: {} };
      });
    const result = run();
    expect([...result.grads.keys()].sort()).toEqual(['bias', 'weight']);
    result.dispose();
    expect((await toArrays(layer.params))['running_var']!.data).not.toEqual(Float32Array.of(1, 1, 1));
    await expectNoLeak(() => run().dispose());
  });
});

describe('dropout', () => {
  test('keeps the expected share, scaled, the same for the same seed', () => {
    const mask = dropoutMask(100_000, 0.3, 5);
    const kept = mask.filter((value) => value > 0).length;
    expect(kept / mask.length).toBeCloseTo(0.7, 2);
    expect(Math.max(...mask.slice(0, 100))).toBeCloseTo(1 / 0.7, 6);
    expect(dropoutMask(100_000, 0.3, 5)).toEqual(mask);
    expect(dropoutMask(100_000, 0.3, 6)).not.toEqual(mask);
  });

  test('does nothing in evaluation and asks for a generator in training', () => {
    const x = tf.ones([4]);
    expect(dropout(0.5).forward(x, { training: false })).toBe(x);
    expect(() => dropout(0.5).forward(x, { training: true })).toThrow(/random generator/);
  });
});

test('an mlp is named and sized like the projector of its reference', () => {
  const head = mlp({ widths: [4, 8, 8, 2] }, createRng(1));
  expect([...head.params].map(([name, { shape }]) => `${name} ${shape.join('x')}`)).toEqual([
    '0.weight 8x4',
    '1.weight 8',
    '1.bias 8',
    '1.running_mean 8',
    '1.running_var 8',
    '3.weight 8x8',
    '4.weight 8',
    '4.bias 8',
    '4.running_mean 8',
    '4.running_var 8',
    '6.weight 2x8',
  ]);
});
