import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, goldenTensor, type Scalar } from '@unlabel/core';
import { expectAllClose, expectNoLeak, testEngine, tf, toArrays, trainableOf, valueAndGrads } from '@unlabel/engine';
import { buildBeats, validFrames } from './beats.ts';

beforeAll(() => testEngine());

const tiny = {
  bands: 16,
  patchSize: 4,
  patchWidth: 6,
  layers: 2,
  width: 8,
  hidden: 12,
  heads: 2,
  positionKernel: 4,
  positionGroups: 2,
  buckets: 8,
  maxDistance: 16,
};
const build = (extra: object = {}) => buildBeats({ ...tiny, ...extra }, createRng(3));
const still = { training: false };
const spectrogram = (rows: number, frames: number) =>
  tf.tensor3d(goldenTensor('input:x', 5, [rows, 16, frames], 2).data as Float32Array, [rows, 16, frames]);

describe('embeddings', () => {
  test('a timestamp is the mean of its frequency patches, or all of them; both pool to the clip', () => {
    const x = spectrogram(2, 22); // two frames beyond five patches
    const mean = build().forward(x, still);
    const all = build({ timestamps: 'concat' });
    const wide = all.forward(x, still);
    expect(mean.frames!.shape).toEqual([2, 5, 8]);
    expect(wide.frames!.shape).toEqual([2, 5, 32]);
    expect([all.frameWidth, all.width]).toEqual([32, 8]);
    expectAllClose(mean.frames!, tf.mean(tf.reshape(wide.frames!, [2, 5, 4, 8]), 2), { atol: 1e-6 });
    for (const network of [build(), all]) {
      const { clip, frames } = network.forward(x, still);
      expectAllClose(network.poolFrames!(frames!), clip, { atol: 1e-6 });
    }
  });

  test('outputs of the last layers side by side, the last one last', () => {
    const x = spectrogram(2, 22);
    const [one, two] = [build({ layers: 2 }), build({ layers: 2, embedLayers: 2, timestamps: 'concat' })];
    expect([two.width, two.frameWidth]).toEqual([16, 64]);
    const { clip, frames, maps } = two.forward(x, { ...still, maps: ['layer0', 'layer1'] });
    const means = ['layer0', 'layer1'].map((name) => tf.mean(maps![name]!, [1, 2]));
    expectAllClose(clip, tf.concat(means, 1), { atol: 1e-6 });
    expectAllClose(tf.slice(clip, [0, 8], [-1, 8]), one.forward(x, still).clip, { atol: 1e-6 });
    expectAllClose(two.poolFrames!(frames!), clip, { atol: 1e-6 });
    expect(() => build({ layers: 2, embedLayers: 3 })).toThrow('embedLayers 3 is more than there are layers, 2');
  });

  test('a padded row is what the row alone would be, up to what the convolution sees of the zeros', () => {
    const network = build({ positionKernel: 1 });
    const x = spectrogram(2, 32);
    const { clip } = network.forward(x, { ...still, lengths: tf.tensor1d([32, 16]) });
    const alone = network.forward(tf.slice(x, [1, 0, 0], [1, 16, 16]), still).clip;
    expectAllClose(tf.slice(clip, [1, 0], [1, 8]), alone, { atol: 1e-5 });
    const whole = network.forward(tf.slice(x, [0, 0, 0], [1, 16, 32]), still).clip;
    expectAllClose(tf.slice(clip, [0, 0], [1, 8]), whole, { atol: 1e-5 });
  });

  test('more tokens than frames are masked by their patches', () => {
    const network = build({ patchSize: 2, bands: 16 });
    const { padding } = network.trace(spectrogram(1, 8), { ...still, lengths: tf.tensor1d([3]) });
    expect([...padding!.dataSync()].map(Number)).toEqual([...Array(16).fill(0), ...Array(16).fill(1)]);
  });

  test('valid samples become valid frames as the authors group them', () => {
    expect(validFrames(22117, 36800, 228)).toBe(138); // 161 samples a frame
    expect(validFrames(36800, 36800, 228)).toBe(228);
  });

  test('a classifier averages its logits over the tokens', () => {
    const network = build({ classes: 3 });
    const x = spectrogram(2, 16);
    const { branches } = network.forward(x, still);
    const { tokens } = network.trace(x, still);
    expectAllClose(branches!['logits']!, tf.mean(network.tokenLogits(tokens), 1), { atol: 1e-6 });
    expect(() => build().classify(tokens)).toThrow('classes 0');
  });

  test('an input of other bands, or shorter than a patch, is refused', () => {
    expect(() => build().forward(tf.zeros([1, 8, 16]), still)).toThrow('[1, 8, 16]; expected [rows, 16, 4 frames');
    expect(() => build().forward(tf.zeros([1, 16, 3]), still)).toThrow('[1, 16, 3]');
    expect(() => build({ bands: 18 })).toThrow('18 bands');
  });
});

describe('training', () => {
  const gradients = (extra: object, network = build(extra), x = spectrogram(2, 16)) =>
    valueAndGrads(network.params, () => {
      const { tokens } = network.trace(x, { training: true, rng: createRng(1) });
      return { loss: tf.mean(tf.mul(tokens, tf.range(0, 8))) as Scalar, logs: {} };
    });
  const quiet = { dropout: 0, attentionDropout: 0, inputDropout: 0, layerDrop: 0 };

  test('reaches every parameter', () => {
    const { grads, dispose } = gradients(quiet);
    expect([...grads.keys()].toSorted()).toEqual([...trainableOf(build(quiet).params).keys()].toSorted());
    dispose();
  });

  test('each layer passes the gradient on times layerGradient', () => {
    const [plain, halved] = [gradients(quiet), gradients({ ...quiet, layerGradient: 0.5 })];
    const both = (name: string) => [plain.grads.get(name)!, halved.grads.get(name)!] as const;
    const [last, lastHalved] = both('encoder.layers.1.fc1.weight');
    expectAllClose(lastHalved, last, { atol: 0 });
    const [below, belowHalved] = both('encoder.layers.0.fc1.weight');
    expectAllClose(belowHalved, tf.mul(below, 0.5), { atol: 1e-9, rtol: 1e-5 });
    const [patches, patchesHalved] = both('patch_embedding.weight');
    expectAllClose(patchesHalved, tf.mul(patches, 0.25), { atol: 1e-9, rtol: 1e-5 });
    plain.dispose();
    halved.dispose();
  });

  test('a dropped layer passes its input on', () => {
    const network = build({ ...quiet, layerDrop: 0.999 });
    const { embedded, tokens } = network.trace(spectrogram(1, 16), { training: true, rng: createRng(1) });
    expectAllClose(tokens, embedded, { atol: 0 });
  });

  test('leaves nothing behind', async () => {
    const [network, x] = [build(), spectrogram(2, 16)];
    await expectNoLeak(() => gradients({}, network, x).dispose());
  });
});

test('first weights have the deviations of BERT and DeepNorm', async () => {
  const network = build({ width: 64, hidden: 128, layers: 4 });
  const arrays = await toArrays(network.params);
  const deviation = (name: string): number => {
    const { data } = arrays[`encoder.layers.1.${name}.weight`]!;
    return Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / data.length);
  };
  const beta = (8 * 4) ** -0.25;
  expect(deviation('self_attn.q_proj')).toBeCloseTo(Math.sqrt(2 / 128), 2);
  expect(deviation('self_attn.v_proj')).toBeCloseTo(beta * Math.sqrt(2 / 128), 2);
  expect(deviation('fc1')).toBeCloseTo(beta * Math.sqrt(2 / 192), 2);
  const plain = await toArrays(build({ width: 64, hidden: 128, deepNorm: false }).params);
  const { data } = plain['encoder.layers.0.fc2.weight']!;
  expect(Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / data.length)).toBeCloseTo(0.02, 3);
  expect(arrays['encoder.layers.0.fc1.bias']!.data.every((v) => v === 0)).toBe(true);
});

test('a clone is equal and independent', async () => {
  const network = build();
  const copy = network.clone();
  expect(await toArrays(copy.params)).toEqual(await toArrays(network.params));
  copy.params.get('layer_norm.bias')!.assign(tf.ones([6]));
  expect(network.params.get('layer_norm.bias')!.dataSync()[0]).toBe(0);
});
