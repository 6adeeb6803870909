/** Every differentiable operation a training step may use: value and gradients on wasm against the cpu backend. */
import type * as tfjs from '@tensorflow/tfjs-core';
import { createRng } from '@unlabel/core';
import { beforeAll, expect, test } from 'vitest';
import { tf } from '../backend.ts';
import { loadWasm } from './load.ts';

type Tensor = tfjs.Tensor;
type Op = (...inputs: Tensor[]) => Tensor;

beforeAll(async () => {
  await loadWasm(tf, { threads: 1 });
});

const image = (x: Tensor): tfjs.Tensor4D => x as tfjs.Tensor4D;
const volume = (x: Tensor): tfjs.Tensor5D => x as tfjs.Tensor5D;
const positive = (x: Tensor): Tensor => tf.add(tf.abs(x), 0.5);
const I = [2, 6, 6, 5];
const V = [2, 4, 4, 4, 3];

/** Operation and shapes of its inputs. */
const ops: Record<string, [Op, ...number[][]]> = {
  abs: [(x) => tf.abs(x!), I],
  acosh: [(x) => tf.acosh(tf.add(positive(x!), 1)), I],
  asinh: [(x) => tf.asinh(x!), I],
  atan: [(x) => tf.atan(x!), I],
  atan2: [(x, y) => tf.atan2(x!, positive(y!)), I, I],
  avgPool: [(x) => tf.avgPool(image(x!), 2, 2, 'valid'), I],
  'avgPool, overlapping': [(x) => tf.avgPool(image(x!), 3, 2, 'same'), I],
  avgPool3d: [(x) => tf.avgPool3d(volume(x!), 2, 2, 'valid'), V],
  add: [(x, y) => tf.add(x!, y!), I, [6, 1, 5]],
  addN: [(x, y) => tf.addN([x!, y!, x!]), I, I],
  batchNorm: [
    (x, m, v, o, s) =>
      tf.batchNorm(x!, m as tfjs.Tensor1D, positive(v!) as tfjs.Tensor1D, o as tfjs.Tensor1D, s as tfjs.Tensor1D),
    I,
    [5],
    [5],
    [5],
    [5],
  ],
  batchToSpaceND: [(x) => tf.batchToSpaceND(x!, [2], [[0, 0]]), I],
  broadcastTo: [(x) => tf.broadcastTo(x!, [2, 3, 5]), [1, 1, 5]],
  ceil: [(x) => tf.ceil(x!), I],
  clipByValue: [(x) => tf.clipByValue(x!, -0.5, 0.7), I],
  concat: [(x, y) => tf.concat([x!, y!], 2), I, [2, 6, 3, 5]],
  conv1d: [(x, w) => tf.conv1d(x as tfjs.Tensor3D, w as tfjs.Tensor3D, 2, 'same'), [3, 17, 4], [3, 4, 6]],
  conv2dTranspose: [(x, w) => tf.conv2dTranspose(image(x!), image(w!), [2, 12, 12, 3], 2, 'same'), I, [3, 3, 3, 5]],
  conv3d: [(x, w) => tf.conv3d(volume(x!), volume(w!), 1, 'same'), V, [2, 2, 2, 3, 4]],
  cos: [(x) => tf.cos(x!), I],
  cosh: [(x) => tf.cosh(x!), I],
  cumsum: [(x) => tf.cumsum(x!, 3, false, true), I],
  depthToSpace: [(x) => tf.transpose(tf.reshape(x!, [2, 6, 6, 5]), [0, 2, 1, 3]), I],
  depthwiseConv2d: [(x, w) => tf.depthwiseConv2d(image(x!), image(w!), 2, 'same'), I, [3, 3, 5, 2]],
  div: [(x, y) => tf.div(x!, positive(y!)), I, [5]],
  elu: [(x) => tf.elu(x!), I],
  erf: [(x) => tf.erf(x!), I],
  euclideanNorm: [(x) => tf.euclideanNorm(x!, -1, true), I],
  exp: [(x) => tf.exp(x!), I],
  expandDims: [(x) => tf.expandDims(x!, 1), I],
  expm1: [(x) => tf.expm1(x!), I],
  gather: [(x) => tf.gather(x!, tf.tensor1d([3, 0, 3, 1], 'int32'), 1), I],
  leakyRelu: [(x) => tf.leakyRelu(x!, 0.1), I],
  localResponseNormalization: [(x) => tf.localResponseNormalization(image(x!), 2), I],
  log: [(x) => tf.log(positive(x!)), I],
  log1p: [(x) => tf.log1p(positive(x!)), I],
  logSigmoid: [(x) => tf.logSigmoid(x!), I],
  logSoftmax: [(x) => tf.logSoftmax(x!), I],
  logSumExp: [(x) => tf.logSumExp(x!, [1, 3]), I],
  matMul: [(x, y) => tf.matMul(x!, y!, false, true), [2, 3, 4], [2, 5, 4]],
  max: [(x) => tf.max(x!, [1, 2]), I],
  maxPool: [(x) => tf.maxPool(image(x!), 2, 2, 'valid'), I],
  'maxPool, odd': [(x) => tf.maxPool(image(x!), [2, 3], 2, 'same'), [2, 7, 9, 6]],
  'maxPool, overlapping': [(x) => tf.maxPool(image(x!), 3, 2, 'same'), I],
  maxPool3d: [(x) => tf.maxPool3d(volume(tf.sub(x!, 2)), 2, 2, 'valid'), V],
  maximum: [(x, y) => tf.maximum(x!, y!), I, I],
  mean: [(x) => tf.mean(x!, [1, 3]), I],
  min: [(x) => tf.min(x!, 2), I],
  minimum: [(x, y) => tf.minimum(x!, y!), I, I],
  mirrorPad: [
    (x) =>
      tf.mirrorPad(
        x!,
        [
          [0, 0],
          [1, 2],
          [2, 1],
          [0, 0],
        ],
        'reflect',
      ),
    I,
  ],
  mod: [(x, y) => tf.mod(x!, positive(y!)), I, I],
  moments: [(x) => tf.moments(x!, [1, 2]).variance, I],
  mul: [(x, y) => tf.mul(x!, y!), I, [2, 1, 1, 5]],
  neg: [(x) => tf.neg(x!), I],
  norm: [(x) => tf.norm(x!, 1, 1), I],
  pad: [
    (x) =>
      tf.pad(x!, [
        [0, 0],
        [1, 2],
        [0, 3],
        [0, 0],
      ]),
    I,
  ],
  pow: [(x, y) => tf.pow(positive(x!), y!), I, I],
  prelu: [(x, a) => tf.prelu(x!, a!), I, [5]],
  prod: [(x) => tf.prod(x!, 1), I],
  reciprocal: [(x) => tf.reciprocal(positive(x!)), I],
  relu: [(x) => tf.relu(x!), I],
  relu6: [(x) => tf.relu6(tf.mul(x!, 5)), I],
  reshape: [(x) => tf.reshape(x!, [12, -1]), I],
  resizeBilinear: [(x) => tf.image.resizeBilinear(image(x!), [9, 4]), I],
  'resizeBilinear, aligned': [(x) => tf.image.resizeBilinear(image(x!), [9, 4], true), I],
  resizeNearestNeighbor: [(x) => tf.image.resizeNearestNeighbor(image(x!), [9, 4]), I],
  reverse: [(x) => tf.reverse(x!, [1, 3]), I],
  rsqrt: [(x) => tf.rsqrt(positive(x!)), I],
  selu: [(x) => tf.selu(x!), I],
  separableConv2d: [
    (x, d, p) => tf.separableConv2d(image(x!), image(d!), image(p!), 1, 'same'),
    I,
    [3, 3, 5, 2],
    [1, 1, 10, 4],
  ],
  sigmoid: [(x) => tf.sigmoid(x!), I],
  sin: [(x) => tf.sin(x!), I],
  sinh: [(x) => tf.sinh(x!), I],
  slice: [(x) => tf.slice(x!, [0, 1, 2, 0], [2, 3, 3, 5]), I],
  softmax: [(x) => tf.softmax(x!), I],
  softplus: [(x) => tf.softplus(x!), I],
  spaceToBatchND: [
    (x) =>
      tf.spaceToBatchND(
        x!,
        [2, 3],
        [
          [0, 0],
          [0, 0],
        ],
      ),
    I,
  ],
  split: [(x) => tf.add(...(tf.split(x!, 2, 1) as [Tensor, Tensor])), I],
  sqrt: [(x) => tf.sqrt(positive(x!)), I],
  square: [(x) => tf.square(x!), I],
  squaredDifference: [(x, y) => tf.squaredDifference(x!, y!), I, I],
  squeeze: [(x) => tf.squeeze(x!), [3, 1, 7]],
  stack: [(x, y) => tf.stack([x!, y!], 1), I, I],
  sub: [(x, y) => tf.sub(x!, y!), I, [6, 5]],
  sum: [(x) => tf.sum(x!, [0, 2]), I],
  tan: [(x) => tf.tan(tf.mul(x!, 0.3)), I],
  tanh: [(x) => tf.tanh(x!), I],
  tile: [(x) => tf.tile(x!, [1, 2, 1, 3]), I],
  transpose: [(x) => tf.transpose(x!, [3, 1, 0, 2]), I],
  unstack: [(x) => tf.mul(...(tf.unstack(x!, 0) as [Tensor, Tensor])), I],
  where: [(x, y) => tf.where(tf.tensor4d([1, 0], [2, 1, 1, 1], 'bool'), x!, y!), I, I],
};

test.each(Object.entries(ops))('%s', async (_, [op, ...shapes]) => {
  const rng = createRng(7);
  const data = shapes.map((shape) => Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => rng.normal()));
  const on = async (backend: string): Promise<Float32Array[]> => {
    await tf.setBackend(backend);
    return tf.tidy(() => {
      const inputs = shapes.map((shape, i) => tf.tensor(data[i]!, shape));
      const value = op(...inputs);
      const weights = tf.cos(tf.reshape(tf.range(0, value.size, 1, 'float32'), value.shape));
      const gradients = tf.grads((...xs: Tensor[]) => tf.sum(tf.mul(op(...xs), weights)))(inputs);
      return [value, ...gradients].map((x) => x.dataSync() as Float32Array);
    });
  };
  const [actual, expected] = [await on('wasm'), await on('cpu')];
  actual.forEach((values, i) => {
    const scale = expected[i]!.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-30);
    const worst = values.reduce((most, x, j) => Math.max(most, Math.abs(x - expected[i]![j]!)), 0) / scale;
    expect(worst, `result ${i}`).toBeLessThan(5e-6); // some tens of float32 roundings
  });
});
