/** The tests of the fused operations, run by one file per engine: kernel against composition, gradients against finite differences. */
import { createRng, type NdArray, type Tensor } from '@unlabel/core';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { tf, useEngine, type EngineName } from '../backend.ts';
import { checkGradients, expectAllClose, expectNoLeak } from '../testing.ts';
import {
  adamWUpdate,
  addLayerNorm,
  affineReluPool,
  attention,
  batchNormAddRelu,
  batchNormReluPool,
  batchNormTrain,
  convBias,
  convStageEval,
  convStageTrain,
  crossEntropy,
  dense,
  dropout,
  dropoutMask,
  ema,
  gelu,
  layerNorm,
  maxMeanTime,
  maxPool,
  sgdMomentum,
  sparseDense,
  zerosAround,
} from './index.ts';
import { composed } from './kernel.ts';

/** Values of order 1 that are far from ties: what a finite difference needs around a maximum. */
function values(shape: readonly number[], label: string, offset = 0): NdArray {
  const rng = createRng(11).fork(label);
  const size = shape.reduce((product, n) => product * n, 1);
  return { data: Float32Array.from({ length: size }, () => offset + rng.normal()), shape };
}

const tensor = ({ data, shape }: NdArray): Tensor => tf.tensor(data, [...shape]);

/** A weighted sum, so that every element's gradient differs. */
const weighted = (y: Tensor): Tensor => tf.sum(tf.mul(y, tensor(values(y.shape, 'weights'))));

interface Case {
  readonly inputs: readonly NdArray[];
  readonly run: (...inputs: Tensor[]) => Tensor;
}

const [gamma, beta] = [values([5], 'gamma', 1), values([5], 'beta')];
const gradient = { atol: 4e-3, rtol: 2e-2 };

const cases: Readonly<Record<string, Case>> = {
  'batch norm of rows': {
    inputs: [values([12, 5], 'x', 3), gamma, beta],
    run: (x, g, b) => batchNormTrain(x!, g, b).y,
  },
  'batch norm of images with ReLU, in two groups': {
    inputs: [values([4, 3, 2, 5], 'x'), gamma, beta],
    run: (x, g, b) => batchNormTrain(x!, g, b, { groups: 2, relu: true }).y,
  },
  'batch norm without gain and offset': {
    inputs: [values([9, 5], 'x')],
    run: (x) => batchNormTrain(x!, undefined, undefined).y,
  },
  'batch norm with a shortcut and ReLU, in two groups': {
    inputs: [values([4, 3, 2, 5], 'x'), gamma, beta, values([4, 3, 2, 5], 'shortcut')],
    run: (x, g, b, shortcut) => batchNormAddRelu(x!, shortcut!, g, b, { groups: 2 }).y,
  },
  'a max pool with a border': {
    inputs: [values([2, 5, 6, 70], 'x')],
    run: (x) => maxPool(tf.relu(x!), { size: 3, stride: 2, padding: 1 }),
  },
  'batch norm, ReLU and pool': {
    inputs: [values([2, 4, 6, 5], 'x'), gamma, beta],
    run: (x, g, b) => batchNormReluPool(x!, g, b).y,
  },
  'batch norm, ReLU and pool of odd sizes, in two groups': {
    inputs: [values([4, 5, 3, 5], 'x'), gamma, beta],
    run: (x, g, b) => batchNormReluPool(x!, g, b, { groups: 2 }).y,
  },
  'a convolution stage': {
    inputs: [values([2, 4, 4, 2], 'x'), values([3, 3, 2, 5], 'kernel'), gamma, beta, values([5], 'bias')],
    run: (x, kernel, g, b, bias) => convStageTrain(x!, { kernel: kernel!, gamma: g!, beta: b!, bias }).y,
  },
  'a ReLU': { inputs: [values([4, 6], 'x')], run: (x) => tf.relu(x!) },
  'a convolution with bias, shortcut and ReLU': {
    inputs: [values([2, 5, 4, 3], 'x'), values([3, 3, 3, 5], 'kernel'), values([5], 'bias'), values([2, 5, 4, 5], 's')],
    run: (x, kernel, bias, shortcut) => convBias(x!, kernel!, bias!, { padding: 1, shortcut, relu: true }),
  },
  'a convolution with scale, bias and ReLU': {
    inputs: [values([2, 5, 4, 3], 'x'), values([1, 1, 3, 5], 'kernel'), values([5], 'bias'), values([5], 'scale', 1)],
    run: (x, kernel, bias, scale) => convBias(x!, kernel!, bias!, { scale, relu: true }),
  },
  'a strided convolution with bias': {
    inputs: [values([2, 5, 4, 3], 'x'), values([3, 3, 3, 5], 'kernel'), values([5], 'bias')],
    run: (x, kernel, bias) => convBias(x!, kernel!, bias!, { stride: 2 }),
  },
  'dense with bias and ReLU': {
    inputs: [values([6, 4], 'x'), values([4, 3], 'kernel'), values([3], 'bias')],
    run: (x, kernel, bias) => dense(x!, kernel!, bias, { relu: true }),
  },
  'dense over the last of three axes with a transposed kernel': {
    inputs: [values([2, 3, 4], 'x'), values([5, 4], 'kernel')],
    run: (x, kernel) => dense(x!, kernel!, undefined, { transposeKernel: true }),
  },
  'dense on what a ReLU and a dropout leave': {
    inputs: [values([7, 12], 'x'), values([12, 5], 'kernel'), values([5], 'bias')],
    run: (x, kernel, bias) => sparseDense(dropout(tf.relu(x!), 0.2, 5), kernel!, bias!),
  },
  'layer norm': {
    inputs: [values([3, 4, 19], 'x', 3), values([19], 'gain', 1), values([19], 'offset')],
    run: (x, gain, offset) => layerNorm(x!, gain!, offset!),
  },
  'layer norm with a scaled shortcut': {
    inputs: [values([7, 8], 'x'), values([8], 'gain', 1), values([8], 'offset'), values([7, 8], 'shortcut')],
    run: (x, gain, offset, shortcut) => layerNorm(x!, gain!, offset!, { shortcut, shortcutScale: 2.2, epsilon: 1e-3 }),
  },
  'layer norm with a plain shortcut': {
    inputs: [values([7, 8], 'x'), values([8], 'gain', 1), values([8], 'offset'), values([7, 8], 'shortcut')],
    run: (x, gain, offset, shortcut) => layerNorm(x!, gain!, offset!, { shortcut }),
  },
  'a sum and its layer norm': {
    inputs: [values([5, 11], 'x'), values([5, 11], 'shortcut'), values([11], 'gain', 1), values([11], 'offset')],
    run: (x, shortcut, gain, offset) => {
      const { sum, y } = addLayerNorm(x!, shortcut!, gain!, offset!, 1e-3);
      return tf.concat([tf.mul(sum, 0.7), y]);
    },
  },
  'GELU by erf': { inputs: [values([3, 21], 'x')], run: (x) => gelu(x!) },
  'GELU by tanh, with a bias': {
    inputs: [values([3, 21], 'x'), values([21], 'bias')],
    run: (x, bias) => gelu(x!, 'tanh', bias),
  },
  'GELU by erf, with a bias': {
    inputs: [values([2, 3, 8], 'x'), values([8], 'bias')],
    run: (x, bias) => gelu(x!, 'erf', bias),
  },
  attention: {
    inputs: ['q', 'k', 'v'].map((label) => values([2, 7, 6], label)),
    run: (q, k, v) => attention({ q: q!, k: k!, v: v! }, { heads: 2 }),
  },
  'attention of more queries than a block, packed': {
    inputs: [values([1, 53, 12], 'qkv')],
    run: (qkv) => attention({ qkv: qkv! }, { heads: 1, scale: 0.3 }),
  },
  'attention with a gated bias that the rows share, a mask and dropout': {
    inputs: [
      ...['q', 'k', 'v'].map((label) => values([2, 5, 8], label)),
      values([2, 5, 5], 'bias'),
      values([2, 5, 2], 'gate', 1),
    ],
    run: (q, k, v, bias, gate) => {
      const mask = tf.tensor2d([0, 0, 0, -1e9, 0, 0, -2, 0, 0, 0], [2, 5]);
      return attention({ q: q!, k: k!, v: v! }, { heads: 2, bias, gate, mask, dropout: { rate: 0.3, seed: 9 } });
    },
  },
  'attention with a bias of its own for each row, fewer queries than keys': {
    inputs: [values([2, 3, 4], 'q'), values([2, 6, 4], 'k'), values([2, 6, 4], 'v'), values([2, 2, 3, 6], 'bias')],
    run: (q, k, v, bias) => attention({ q: q!, k: k!, v: v! }, { heads: 2, bias }),
  },
  'cross entropy': {
    inputs: [values([5, 7], 'logits')],
    run: (logits) => crossEntropy(logits!, tf.tensor1d([0, 6, 3, 3, 1], 'int32')),
  },
  'smoothed cross entropy': {
    inputs: [values([4, 300], 'logits')],
    run: (logits) => crossEntropy(logits!, tf.tensor1d([0, 299, 30, 1], 'int32'), 0.1),
  },
  dropout: { inputs: [values([7, 9], 'x')], run: (x) => dropout(x!, 0.3, 4_000_000_007) },
  'max + mean over time': { inputs: [values([3, 5, 70], 'x')], run: (x) => maxMeanTime(x!) },
};

interface Listed {
  readonly data: readonly number[];
  readonly shape: readonly number[];
}

interface Reference {
  readonly name: string;
  readonly inputs: readonly Listed[];
  readonly probe: Listed;
  readonly y: Listed;
  readonly grads: readonly Listed[];
}

/** Made by tools/fixtures/transformer_ops.py and image_ops.py with torch, in float64. */
const references = ['transformer-ops', 'image-ops'].flatMap((name) => {
  const text = readFileSync(new URL(`../../fixtures/${name}.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { cases: Reference[] }).cases;
});

const referenceRuns: Readonly<Record<string, Case['run']>> = {
  'layer norm of a sum': (x, gain, offset, shortcut) => layerNorm(x!, gain!, offset!, { shortcut, shortcutScale: 2.2 }),
  gelu: (x, bias) => gelu(x!, 'erf', bias),
  'gelu by tanh': (x, bias) => gelu(x!, 'tanh', bias),
  attention: (q, k, v, bias, gate) => {
    const mask = tf.tensor2d([0, 0, 0, 0, -1e9, -1e9, 0, 0, 0, 0], [2, 5]);
    return attention({ q: q!, k: k!, v: v! }, { heads: 2, bias, gate, mask });
  },
  'cross entropy': (logits) => crossEntropy(logits!, tf.tensor1d([3, 0, 5, 3], 'int32'), 0.1),
  'end of a residual block': (x, gain, offset, shortcut) => batchNormAddRelu(x!, shortcut!, gain, offset).y,
  'max pool with a border': (x) => maxPool(tf.relu(x!), { size: 3, stride: 2, padding: 1 }),
  'strided convolution with a border': (x, kernel) => tf.conv2d(x as never, kernel as never, 2, zerosAround(1)),
};

/** Defines the suite for one engine. */
export function describeOps(engine: EngineName): void {
  beforeAll(() => useEngine({ engine, threads: 2 }));

  describe.each(Object.entries(cases))('%s', (_name, { inputs, run }) => {
    test('agrees with its composition, value and gradients', () => {
      const both = [true, false].map((isComposed) => {
        const compute = () => {
          const tensors = inputs.map(tensor);
          return [run(...tensors), ...tf.grads((...args: Tensor[]) => weighted(run(...args)))(tensors)];
        };
        return isComposed ? composed(compute) : compute();
      });
      const [expected, found] = both as [Tensor[], Tensor[]];
      found.forEach((value, i) => expectAllClose(value, expected[i]!, { atol: 2e-5, rtol: 1e-5 }));
    });

    test('has the gradient that finite differences give', async () => {
      await checkGradients((...args) => weighted(run(...args)), inputs, { step: 2e-3, ...gradient });
    });

    test('leaves no tensor behind', async () => {
      const tensors = inputs.map(tensor);
      await expectNoLeak(() => {
        tf.dispose(tf.grads((...args: Tensor[]) => weighted(run(...args)))(tensors));
        tf.dispose(tf.tidy(() => run(...tensors)));
      });
    });
  });

  test.each(references)("$name has torch's values and gradients", ({ name, inputs, probe, y, grads }) => {
    const asTensor = ({ data, shape }: Listed) => tf.tensor([...data], [...shape]);
    const run = referenceRuns[name]!;
    const tensors = inputs.map(asTensor);
    // float64 beside float32: values of order 1 to 10
    expectAllClose(run(...tensors), asTensor(y), { atol: 2e-6, rtol: 2e-6 });
    const found = tf.grads((...args: Tensor[]) => tf.sum(tf.mul(run(...args), asTensor(probe))))(tensors);
    grads.forEach((grad, i) => expectAllClose(found[i]!, asTensor(grad), { atol: 5e-6, rtol: 5e-6 }));
  });

  test('an erf GELU keeps its relative precision far below zero', () => {
    // x·Φ(x) in float64 (scipy.special.ndtr)
    const x = [-5, -4, -3, -2, -1];
    const expected = [-1.4332578e-6, -1.2668497e-4, -4.0496941e-3, -4.5500264e-2, -0.15865525];
    if (engine === 'tensorflow') expectAllClose(gelu(tf.tensor1d(x)), expected, { rtol: 2e-6 });
    else expectAllClose(gelu(tf.tensor1d(x)), expected, { atol: 3e-7 }); // their erf is right to 1e-7
  });

  test('a moving average is the literal one', () => {
    const [target, source] = [values([70, 3], 'target'), values([70, 3], 'source')];
    const expected = target.data.map((value, i) => 0.97 * value + 0.03 * source.data[i]!);
    expectAllClose(ema(tensor(target), tensor(source), 0.97), { data: expected, shape: [70, 3] }, { atol: 1e-6 });
  });

  test('a label outside the classes is refused by the kernel, a wrong shape by name', () => {
    const logits = tensor(values([2, 3], 'logits'));
    expect(() => crossEntropy(logits, tf.tensor1d([0, 1, 2], 'int32'))).toThrow(/\[2, 3\] and int32 \[3\]/);
    expect(() => crossEntropy(logits, tf.tensor1d([0, 1], 'int32'), 2)).toThrow(/smoothing 2/);
    if (engine === 'tensorflow') {
      expect(() => crossEntropy(logits, tf.tensor1d([0, 3], 'int32')).dataSync()).toThrow(/outside/);
    }
  });

  test('batch statistics are the literal ones, biased, also far from zero', () => {
    const { data, shape } = values([50, 3, 2, 5], 'far', 1000);
    const { y, mean, variance } = batchNormTrain(tensor({ data, shape }), undefined, undefined);
    for (let c = 0; c < 5; c++) {
      const column = Array.from({ length: data.length / 5 }, (_, i) => data[i * 5 + c]!);
      const m = column.reduce((sum, v) => sum + v, 0) / column.length;
      const v = column.reduce((sum, value) => sum + (value - m) ** 2, 0) / column.length;
      expect(mean.dataSync()[c]).toBeCloseTo(m, 3);
      expect(Math.abs(variance.dataSync()[c]! - v)).toBeLessThan(2e-3);
    }
    expect(Math.abs(tf.mean(y).dataSync()[0]!)).toBeLessThan(2e-3);
  });

  test('two groups are two calls', () => {
    const x = values([6, 4, 4, 5], 'groups');
    const whole = batchNormReluPool(tensor(x), tensor(gamma), tensor(beta), { groups: 2 });
    const halves = tf.split(tensor(x), 2).map((half) => batchNormReluPool(half, tensor(gamma), tensor(beta)));
    expectAllClose(whole.y, tf.concat(halves.map(({ y }) => y)), { atol: 1e-6 });
    expectAllClose(whole.mean, tf.stack(halves.map(({ mean }) => mean)), { atol: 1e-6 });
    expectAllClose(whole.variance, tf.stack(halves.map(({ variance }) => variance)), { atol: 1e-6 });
  });

  test('a tied pool gives its gradient to the first, and none where ReLU is shut', () => {
    const x = tf.tensor4d([1, 1, 1, 1, -3, -3, -3, -3], [2, 2, 2, 1]);
    const run = (input: Tensor) => tf.sum(batchNormReluPool(input, tf.ones([1]), undefined).y);
    const [open] = tf.split(tf.grad(run)(x), 2);
    const [first, ...others] = open!.dataSync();
    expect(others.every((value) => Math.abs(value - others[0]!) < 1e-6)).toBe(true);
    expect(first! - others[0]!).toBeCloseTo(0.5, 3); // gamma/σ, with σ² = 4
  });

  test('tied maxima over time give their gradient to the first', () => {
    const x = tf.ones([1, 3, 2]);
    const dx = tf.grad((input: Tensor) => tf.sum(maxMeanTime(input)))(x);
    expectAllClose(
      tf.reshape(dx, [6]),
      [4, 4, 1, 1, 1, 1].map((third) => third / 3),
      { atol: 1e-6 },
    );
  });

  test('NaN is not hidden', () => {
    const x = tf.fill([2, 2, 2, 5], NaN);
    const { y, mean } = batchNormReluPool(x, undefined, undefined);
    expect(mean.dataSync().every(Number.isNaN)).toBe(true);
    // TensorFlow.js' own ReLU (wasm) and max pool (cpu) make something else of NaN; the statistics show it there.
    if (engine === 'tensorflow') expect(y.dataSync().every(Number.isNaN)).toBe(true);
  });

  test('the dropout mask is the documented hash, and drops its share', () => {
    const y = dropout(tf.ones([70_001]), 0.3, 5).dataSync();
    expect(y).toEqual(dropoutMask(70_001, 0.3, 5));
    expect(y.filter((value) => value === 0).length / y.length).toBeCloseTo(0.3, 2);
    expect(dropout(tf.ones([100]), 0.3, 6).dataSync()).not.toEqual(y.slice(0, 100));
  });

  test('a convolution stage in evaluation is the composition with running statistics', () => {
    const x = tensor(values([2, 5, 6, 2], 'x'));
    const [kernel, bias, g, b, mean] = ['kernel', 'bias', 'gamma', 'beta', 'mean'].map((label) =>
      tensor(values(label === 'kernel' ? [3, 3, 2, 5] : [5], label)),
    ) as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const variance = tf.add(tf.square(mean), 0.5);
    const h = tf.add(tf.conv2d(x as never, kernel as never, 1, 'same'), bias);
    const normal = tf.add(tf.mul(tf.div(tf.sub(h, mean), tf.sqrt(tf.add(variance, 1e-5))), g), b);
    const expected = tf.maxPool(tf.relu(normal) as never, 2, 2, 'valid');
    expectAllClose(convStageEval(x, { kernel, bias, gamma: g, beta: b }, { mean, variance }), expected, { atol: 1e-5 });
    expectAllClose(
      composed(() => affineReluPool(h, g, b)),
      affineReluPool(h, g, b),
      { atol: 1e-6 },
    );
  });

  test('a bias before batch norm moves the mean and nothing else', () => {
    const weights = { kernel: tensor(values([3, 3, 2, 5], 'kernel')), gamma: tensor(gamma), beta: tensor(beta) };
    const x = tensor(values([2, 4, 4, 2], 'x'));
    const [without, withBias] = [undefined, tf.fill([5], 3)].map((bias) => convStageTrain(x, { ...weights, bias }));
    expectAllClose(withBias!.y, without!.y, { atol: 0 });
    expectAllClose(withBias!.mean, tf.add(without!.mean, 3), { atol: 1e-5 });
  });

  test('AdamW is the literal update', () => {
    const [p, g, m] = ['p', 'g', 'm'].map((label) => values([4, 3], label)) as [NdArray, NdArray, NdArray];
    const v = { data: m.data.map((value) => value ** 2 / 3), shape: m.shape };
    const options = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-6, weightDecay: 0.05, step: 3 };
    const [param, first, second] = adamWUpdate(tensor(p), tensor(g), tensor(m), tensor(v), options);
    const nextM = m.data.map((value, i) => 0.9 * value + 0.1 * g.data[i]!);
    const nextV = v.data.map((value, i) => 0.99 * value + 0.01 * g.data[i]! ** 2);
    const nextP = p.data.map((value, i) => {
      const root = Math.sqrt(nextV[i]! / (1 - 0.99 ** 3)) + 1e-6;
      return value * (1 - 0.1 * 0.05) - (0.1 * nextM[i]!) / (1 - 0.9 ** 3) / root;
    });
    for (const [found, expected] of [
      [first, nextM],
      [second, nextV],
      [param, nextP],
    ] as const) {
      expectAllClose(found, { data: expected, shape: [4, 3] }, { atol: 1e-6, rtol: 1e-5 });
    }
  });

  test.each([false, true])('SGD with momentum is the literal update (nesterov %s)', (nesterov) => {
    const [p, g, v] = ['p', 'g', 'v'].map((label) => values([4, 3], label)) as [NdArray, NdArray, NdArray];
    const options = { lr: 0.1, momentum: 0.9, weightDecay: 0.01, nesterov };
    const [param, velocity] = sgdMomentum(tensor(p), tensor(g), tensor(v), options);
    const next = p.data.map((w, i) => 0.9 * v.data[i]! + g.data[i]! + 0.01 * w);
    const step = p.data.map((w, i) => w - 0.1 * (nesterov ? g.data[i]! + 0.01 * w + 0.9 * next[i]! : next[i]!));
    expectAllClose(velocity, { data: next, shape: [4, 3] }, { atol: 1e-6 });
    expectAllClose(param, { data: step, shape: [4, 3] }, { atol: 1e-6 });
  });
}
