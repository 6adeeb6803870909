import { beforeAll, expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { buildBinauralNet } from '@unlabel/backbones';
import { expectAllClose, expectNoLeak, testEngine, tf, valueAndGrads } from '@unlabel/engine';
import { hear, maskDecoder, masked, semanticDecoder, semanticLoss, superResolutionLoss } from './decoders.ts';

beforeAll(() => testEngine());

const random = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed);

test('a window is heard as the network’s clip and the means of its last maps over bins', () => {
  const network = buildBinauralNet({ channels: [2, 3] }, createRng(1));
  const x = random([2, 2, 8, 12], 1);
  const { clip, steps } = hear(network, x, 2, false);
  const { maps } = network.forward(x, { training: false, maps: ['left.conv2', 'right.conv2'] });
  expect(steps.shape).toEqual([2, 3, 6]);
  expectAllClose(tf.mean(steps, 1), clip, { atol: 1e-5 });
  expectAllClose(tf.split(steps, 2, 2)[1]!, tf.mean(maps!['right.conv2']!, 1), {});
});

test('the cross entropy of pixels is the literal one, the background weighing a tenth', async () => {
  const logits = random([2, 2, 3, 3], 2);
  const truth = tf.tensor([0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1], [2, 2, 3]);
  const rows = (await tf.reshape(logits, [12, 3]).array()) as number[][];
  const labels = [...(await truth.data())];
  let [sum, weights] = [0, 0];
  rows.forEach((row, i) => {
    const weight = labels[i]! > 0 ? 1 : 0.1;
    sum += weight * (Math.log(row.reduce((total, value) => total + Math.exp(value), 0)) - row[labels[i]!]!);
    weights += weight;
  });
  expectAllClose(semanticLoss(logits, truth), sum / weights, { rtol: 1e-5 });
});

test('masks multiply spectra as complex numbers; the error is a share of silence’s', () => {
  const planes = (...values: number[]) => tf.tensor(values, [1, 4, 1, 1]);
  // (1 + 2i)(3 − i) = 5 + 5i; (0 + i)(2 + 4i) = −4 + 2i
  const product = masked(planes(1, 2, 0, 1), planes(3, -1, 2, 4));
  expectAllClose(product, planes(5, 5, -4, 2), {});
  expectAllClose(superResolutionLoss(planes(1, 2, 0, 1), planes(3, -1, 2, 4), product), 0, {});
  expectAllClose(superResolutionLoss(planes(0, 0, 0, 0), planes(3, -1, 2, 4), planes(1, 2, 3, 4)), 1, {});
  expectAllClose(superResolutionLoss(planes(1, 0, 1, 0), planes(2, 0, 0, 0), planes(1, 0, 0, 2)), 1, {}); // (1 + 4)/5
});

test('decoders have the shapes of their tasks, masks go evenly between steps, and all of them is trained', async () => {
  const heard = { clip: random([2, 6], 3), steps: random([2, 2, 6], 4) };
  const semantic = semanticDecoder({ inputs: 6, hidden: 4, classes: 3, size: [2, 5] }, createRng(1));
  const mask = maskDecoder({ inputs: 6, hidden: 4, bins: 3, frames: 4 }, createRng(1));
  expect(semantic.forward(heard).shape).toEqual([2, 2, 5, 3]);
  const found = mask.forward(heard);
  expect(found.shape).toEqual([2, 4, 4, 3]);
  const [a, b, c, d] = tf.unstack(found, 2); // frames at 0.125, 0.375, … of the window: steps stand at 0.25 and 0.75
  expectAllClose(tf.sub(b!, a!), tf.mul(tf.sub(d!, a!), 0.25), { atol: 1e-5 });
  expectAllClose(tf.sub(c!, a!), tf.mul(tf.sub(d!, a!), 0.75), { atol: 1e-5 });
  const truth = tf.ones([2, 2, 5]);
  for (const { params, loss } of [
    { params: semantic.params, loss: () => semanticLoss(semantic.forward(heard), truth) },
    { params: mask.params, loss: () => superResolutionLoss(mask.forward(heard), tf.onesLike(found), found) },
  ]) {
    const { grads, dispose } = valueAndGrads(params, () => ({ loss: loss(), logs: {} }));
    expect(grads.size).toBe(params.size);
    dispose();
    await expectNoLeak(() => tf.tidy(() => void loss()));
  }
});
