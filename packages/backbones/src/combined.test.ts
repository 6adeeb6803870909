import { beforeAll, expect, test } from 'vitest';
import { createRng, goldenTensor, type Tensor } from '@unlabel/core';
import {
  buffersOf,
  expectAllClose,
  expectNoLeak,
  testEngine,
  tf,
  toArrays,
  trainableOf,
  valueAndGrads,
} from '@unlabel/engine';
import { buildAudioNtt } from './audio-ntt.ts';
import { concat } from './concat.ts';
import { backboneFamilies } from './index.ts';
import { networkOf } from './network-of.ts';
import { progressive } from './progressive.ts';
import { buildResnet } from './resnet.ts';

beforeAll(() => testEngine());

const small = { bands: 16, width: 12, dropout: 0 };
const network = (seed: number, config = {}) => buildAudioNtt({ ...small, ...config }, createRng(seed));
const x = (): Tensor => tf.tensor(goldenTensor('input:x', 1, [3, 16, 24], 1).data, [3, 16, 24]);

test('networkOf builds one, or takes the one given when it is the same', () => {
  const [rng, given] = [createRng(1), network(2)];
  expect(networkOf({ rng }, () => network(3)).params).not.toBe(given.params);
  expect(networkOf({ rng, backbone: given }, () => network(3))).toBe(given);
  expect(() => networkOf({ rng, backbone: given }, () => network(3, { width: 8 }))).toThrow(
    /width \(12 there, 8 here\)/,
  );
  expect(() =>
    networkOf(
      { rng, backbone: given },
      () => buildResnet({ depth: 18, stem: 'small', widths: [4, 4, 4, 4] }, rng) as never,
    ),
  ).toThrow(/audio-ntt, and the method trains resnet/);
});

test('a progressive column adds a 1×1 convolution of each frozen map; without it, it is the column', () => {
  const [frozen, column] = [network(1), network(2)];
  const alone = column.forward(x(), { training: false }).clip;
  const both = progressive(frozen, column, createRng(3));
  const maps = frozen.forward(x(), { training: false, maps: ['stage1', 'stage2', 'stage3'] }).maps!;
  // literally: the column run by hand with the products added
  const expected = column.forward(x(), {
    training: false,
    lateral: (name, own) => {
      const kernel = tf.reshape(both.params.get(`lateral.${name}.weight`)!, [64, 64]); // [1, 1, in, out]
      const rows = tf.reshape(maps[name]!, [-1, 64]);
      return tf.add(own, tf.reshape(tf.matMul(rows, kernel), own.shape));
    },
  }).clip;
  const found = both.forward(x(), { training: false }).clip;
  expectAllClose(found, expected, { atol: 1e-5, rtol: 1e-4 });
  for (const [name, variable] of both.params) if (name.startsWith('lateral.')) variable.assign(tf.zerosLike(variable));
  expectAllClose(both.forward(x(), { training: false }).clip, alone, { atol: 1e-6 });
});

test('its frozen column is not trained; families build it again; its copy is its own', async () => {
  const both = progressive(network(1), network(2), createRng(3));
  const { grads, dispose } = valueAndGrads(both.params, () => {
    const { clip } = both.forward(x(), { training: true });
    return { loss: tf.mean(tf.square(clip)) as never, logs: {} };
  });
  const prefixes = new Set([...grads.keys()].map((name) => name.split('.')[0]));
  expect(prefixes).toEqual(new Set(['column', 'lateral']));
  dispose();
  expect([...buffersOf(both.params).keys()].filter((name) => name.startsWith('frozen.')).length).toBe(
    network(1).params.size,
  );
  const again = backboneFamilies['progressive']!.build(both.config, createRng(9));
  expect([...again.params.keys()]).toEqual([...both.params.keys()]);
  expect([...trainableOf(again.params).keys()].some((name) => name.startsWith('frozen.'))).toBe(false);
  const copy = both.clone();
  expect(await toArrays(copy.params)).toEqual(await toArrays(both.params));
  expect(trainableOf(copy.params).size).toBe(trainableOf(both.params).size);
  // a third column stands on the second, and stands for the same network
  const third = progressive(both, network(5), createRng(6));
  expect(third.standsFor).toEqual({ id: 'audio-ntt', config: network(1).config });
  await expectNoLeak(() => tf.tidy(() => void third.forward(tf.ones([1, 16, 24]), { training: false })));
});

test('networks whose stages differ, or that have none to connect, are refused', () => {
  const image = () => buildResnet({ depth: 18, stem: 'small', widths: [4, 4, 4, 4] }, createRng(1));
  expect(() => progressive(image(), network(1), createRng(1))).toThrow(/they must be the same/);
  const { mapWidths: _none, ...bare } = network(1);
  expect(() => progressive(network(2), bare, createRng(1))).toThrow(/no progressive column/);
  const two = progressive(image(), image(), createRng(1));
  expect(two.forward(tf.ones([2, 16, 16, 3]), { training: false }).clip.shape).toEqual([2, 4]);
});

test('concat puts features side by side and keeps each apart', () => {
  const parts = [network(1), network(2, { width: 7 })];
  const both = concat(parts);
  const { clip, frames, branches } = both.forward(x(), { training: false });
  const apart = parts.map((part) => part.forward(x(), { training: false }));
  expect([both.width, both.frameWidth]).toEqual([19, 19]);
  expectAllClose(
    clip,
    tf.concat(
      apart.map((one) => one.clip),
      1,
    ),
    { atol: 1e-6 },
  );
  expectAllClose(
    frames!,
    tf.concat(
      apart.map((one) => one.frames!),
      2,
    ),
    { atol: 1e-6 },
  );
  expectAllClose(branches!['1']!, apart[1]!.clip, { atol: 1e-6 });
  const again = backboneFamilies['concat']!.build(both.config, createRng(9));
  expect([...again.params.keys()]).toEqual([...both.params.keys()]);
  expect(concat([network(1), network(2, { version: '2022' })]).frameWidth).toBe(0);
});
