import { beforeAll, expect, test } from 'vitest';
import { createRng, goldenTensor, parseConfig, type Step, type Tensor } from '@unlabel/core';
import {
  barlowTwinsRates,
  cosine,
  countParams,
  expectAllClose,
  lars,
  selectParams,
  testEngine,
  tf,
  valueAndGrads,
} from '@unlabel/engine';
import { batchNorm } from '@unlabel/nn';
import { barlowTwins } from '@unlabel/objectives';
import { barlowTwinsConfig, barlowTwinsMethod } from './barlow-twins.ts';

// The loss, its gradients and the norm's buffers: goldens loss-barlow-* in @unlabel/objectives.

beforeAll(() => testEngine());

const step: Step = { index: 0, total: 10, epoch: 0, rng: createRng(0) };
const build = () =>
  barlowTwinsMethod.build(parseConfig(barlowTwinsConfig, barlowTwinsMethod.presets['smoke']!.config!, 'test'), {
    rng: createRng(1),
  });
const view = (name: string): Tensor =>
  tf.tensor(goldenTensor(`input:${name}`, 1, [6, 16, 16, 3], 2).data, [6, 16, 16, 3]);

test("has the paper's projector, and blocks that start as identities", async () => {
  const fields = { projectorWidth: 64, backbone: { depth: 18, blocks: [1, 1, 1, 1], widths: [8, 8, 8, 24] } };
  const model = barlowTwinsMethod.build(parseConfig(barlowTwinsConfig, fields, 'test'), { rng: createRng(1) });
  const projector = selectParams(model.trainable, (name) => name.startsWith('projector.'));
  expect(countParams(projector)).toBe(24 * 64 + 2 * 64 * 64 + 4 * 64);
  expect(Math.max(...(await model.trainable.get('backbone.layer1.0.bn2.weight')!.data()))).toBe(0);
});

test('one batch of two views gives the loss of two passes', async () => {
  const [joint, apart] = [build(), build()];
  const batch = { view1: view('a'), view2: view('b') };
  const { loss, dispose } = valueAndGrads(joint.trainable, () => barlowTwinsMethod.loss(joint, batch, step));
  const expected = tf.tidy(() => {
    const clips = [batch.view1, batch.view2].map((x) => apart.backbone.forward(x, { training: true }).clip);
    return apart.head.loss(clips[0]!, clips[1]!, { training: true }).loss;
  });
  expectAllClose(loss, expected, { rtol: 1e-4 });
  dispose();
  // equal views correlate with themselves perfectly: the diagonal costs nothing
  const z = tf.tidy(() =>
    batchNorm(8, { isAffine: false }).forward(tf.reshape(view('a'), [-1, 8]), { training: true }),
  );
  const { on } = barlowTwins(z, z, { lambdaOn: 1, lambdaOff: 0 });
  expect((await on.data())[0]).toBeLessThan(1e-6);
});

test("the recipe's rates are those of the authors' schedule, for weights and for vectors", () => {
  const { lr, lrBatchSize, batchSize, finalLr, options } = barlowTwinsMethod.recipe;
  const [epochs, stepsPerEpoch] = [30, 20];
  const peak = (lr * batchSize) / lrBatchSize!;
  const ours = cosine({ peak, final: finalLr!, steps: epochs * stepsPerEpoch, warmupSteps: 10 * stepsPerEpoch });
  const { weights, biases } = barlowTwinsRates({ batchSize, epochs, stepsPerEpoch });
  for (const i of [0, 100, 200, 333, 599]) {
    expect(ours(i)).toBeCloseTo(weights(i), 6);
    expect(ours(i) * Number(options!['vectorRate'])).toBeCloseTo(biases(i), 6);
  }
  const vector = tf.variable(tf.ones([3]));
  const optimizer = lars(new Map([['v', vector]]), { vectorRate: 0.024, weightDecay: 1 });
  optimizer.step(new Map([['v', tf.fill([3], 2)]]), 0.5);
  expectAllClose(vector, tf.fill([3], 1 - 0.5 * 0.024 * 2), { atol: 1e-6 });
});
