import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, goldenTensor, type Scalar, type Tensor } from '@unlabel/core';
import {
  countParams,
  disposeParams,
  expectAllClose,
  expectNoLeak,
  testEngine,
  tf,
  toArrays,
  valueAndGrads,
} from '@unlabel/engine';
import { buildAtst } from './atst.ts';

beforeAll(() => testEngine());

const still = { training: false } as const;
const spectrogram = (rows: number, frames: number): Tensor =>
  tf.tensor(goldenTensor('input:x', 1, [rows, 64, frames], 1).data, [rows, 64, frames]);
const tiny = (config: Readonly<Record<string, unknown>> = {}) =>
  buildAtst({ width: 12, heads: 2, depth: 3, dropPath: 0, ...config }, createRng(1));
const columns = (x: Tensor, from: number, frames: number): Tensor => tf.slice(x, [0, 0, from], [-1, -1, frames]);

describe('atst', () => {
  test('Frame small has the published number of parameters', () => {
    const { params } = buildAtst({ variant: 'frame' }, createRng(1));
    expect(countParams(params)).toBe(21_475_968);
    disposeParams(params);
  });

  test.each([
    ['clip', [2, 6 * 12]],
    ['frame', [2, 3 * 12]],
  ] as const)('%s puts blocks side by side, frames by frames of 4', (variant, shape) => {
    const backbone = tiny({ variant });
    const { clip, frames } = backbone.forward(spectrogram(2, 43), still);
    expect([clip.shape, backbone.width]).toEqual([shape, shape[1]]);
    expect([frames!.shape, backbone.frameWidth]).toEqual([[2, 10, 36], 36]);
    expect(tiny({ variant, embedBlocks: 1 }).forward(spectrogram(2, 43), still).frames!.shape).toEqual([2, 10, 12]);
  });

  test.each(['clip', 'frame'])('a padded row of %s is embedded as the same row without padding', (variant) => {
    const backbone = tiny({ variant });
    const x = spectrogram(2, 60);
    const alone = backbone.forward(columns(tf.slice(x, [1, 0, 0], [1, -1, -1]), 0, 42), still).clip;
    const padded = backbone.forward(x, { ...still, lengths: tf.tensor1d([60, 42]) }).clip;
    expectAllClose(tf.slice(padded, [1, 0], [1, -1]), alone, { atol: 1e-5 });
  });

  test('Frame averages over chunks alike, and leaves out a rest that is no whole patch', () => {
    const backbone = tiny({ variant: 'frame', chunkFrames: 21 });
    const x = spectrogram(1, 44); // 21, 21, 2
    const parts = [0, 21].map((from) => backbone.forward(columns(x, from, 21), still));
    const { clip, frames } = backbone.forward(x, still);
    expectAllClose(clip, tf.div(tf.add(parts[0]!.clip, parts[1]!.clip), 2), { atol: 1e-6 });
    expectAllClose(frames!, tf.concat(parts.map((part) => part.frames!), 1), { atol: 1e-6 }); // prettier-ignore
  });

  test('Clip counts a later chunk when more than half of it is there', () => {
    const backbone = tiny({ chunkFrames: 20 });
    const classes = (x: Tensor): Tensor => tf.slice(backbone.forward(x, still).clip, [0, 0], [-1, 36]);
    const x = spectrogram(1, 31);
    const [first, second] = [classes(columns(x, 0, 20)), classes(columns(x, 20, 11))];
    expectAllClose(classes(x), tf.div(tf.add(first, second), 2), { atol: 1e-6 });
    expectAllClose(classes(columns(x, 0, 30)), first, { atol: 1e-6 });
  });

  test('masked patches say nothing of what they hide, but where they are', () => {
    const backbone = tiny({ variant: 'frame' });
    const x = spectrogram(1, 16);
    const mask = tf.tensor2d([0, 1, 0, 0], [1, 4]);
    const other = tf.concat([columns(x, 0, 4), tf.ones([1, 64, 4]), columns(x, 8, 8)], 2);
    const of = (input: Tensor, m = mask) => backbone.pass(input, { ...still, mask: m }).tokens;
    expectAllClose(of(other), of(x), { atol: 1e-6 });
    expect(() => expectAllClose(of(x, tf.tensor2d([0, 0, 1, 0], [1, 4])), of(x), { atol: 1e-3 })).toThrow();
  });

  test.each(['clip', 'frame'])('%s has a gradient for each parameter that its pass reads', (variant) => {
    const backbone = tiny({ variant, dropPath: 0.1 });
    const x = spectrogram(2, 20);
    const mask = variant === 'frame' ? tf.tensor2d([1, 0, 1, 0, 1, 0, 1, 0, 1, 0], [2, 5]) : undefined;
    const { grads, dispose } = valueAndGrads(backbone.params, () => ({
      loss: tf.sum(tf.square(backbone.pass(x, { training: true, rng: createRng(1), mask }).tokens)) as Scalar,
      logs: {},
    }));
    const unused = variant === 'clip' ? ['mask_embed'] : []; // Clip carries it and never shows it
    expect([...grads.keys(), ...unused].toSorted()).toEqual([...backbone.params.keys()].toSorted());
    dispose();
  });

  test('says what it was built for', () => {
    expect(() => tiny().pass(tf.zeros([1, 64, 1004]), still)).toThrow(/\[1, 64, 1004\].*4 to 1003 frames/);
    expect(() => tiny().pass(tf.zeros([1, 32, 100]), still)).toThrow(/\[rows, 64/);
    expect(() => tiny({ chunkFrames: 1200 })).toThrow(/1200 frames.*250 positions/);
    expect(() => tiny({ embedBlocks: 4 })).toThrow(/embedBlocks 4.*3/);
  });

  test('a clone is a network of its own', async () => {
    const backbone = tiny();
    const copy = backbone.clone();
    const values = await toArrays(backbone.params);
    expect(await toArrays(copy.params)).toEqual(values);
    copy.params.get('cls_token')!.assign(tf.zeros([1, 1, 12]));
    expect(await toArrays(backbone.params)).toEqual(values);
  });

  test('leaves nothing behind', async () => {
    const backbone = tiny({ chunkFrames: 20 });
    const x = spectrogram(2, 50);
    await expectNoLeak(() => tf.tidy(() => backbone.forward(x, still).clip).dispose());
  });
});
