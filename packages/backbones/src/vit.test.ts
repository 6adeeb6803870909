import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, goldenTensor, type Scalar, type Tensor } from '@unlabel/core';
import {
  countParams,
  expectAllClose,
  expectNoLeak,
  testEngine,
  tf,
  toArrays,
  trainableOf,
  valueAndGrads,
} from '@unlabel/engine';
import { buildVit } from './vit.ts';

beforeAll(() => testEngine());

const images = (rows: number, height: number, width = height): Tensor =>
  tf.tensor(goldenTensor('input:x', 1, [rows, height, width, 3], 2).data, [rows, height, width, 3]);
const tiny = (config: Readonly<Record<string, unknown>> = {}) =>
  buildVit({ patchSize: 8, imageSize: 32, width: 12, heads: 2, depth: 2, ...config }, createRng(1));

describe('vit', () => {
  // of the authors' models without classifier, 224 pixels: DINO ViT-S/16 21.7 M, DeiT-Ti 5.5 M
  test.each([
    ['small', 21_665_664],
    ['tiny', 5_524_416],
  ])('%s has the published number of parameters', (size, count) => {
    const { params } = buildVit({ size }, createRng(1));
    expect(countParams(trainableOf(params))).toBe(count);
    tf.dispose([...params.values()]);
  });

  test('gives the class token, and patches as a map, for any size of whole patches', () => {
    const { clip, maps } = tiny().forward(images(2, 40, 24), {
      training: false,
      maps: ['patches', 'block0', 'block9'],
    });
    expect(clip.shape).toEqual([2, 12]);
    expect(Object.entries(maps!).map(([name, map]) => [name, map.shape])).toEqual([
      ['patches', [2, 5, 3, 12]],
      ['block0', [2, 5, 3, 12]],
    ]);
  });

  test('does not mix rows', () => {
    const backbone = tiny();
    const x = images(2, 32);
    const both = backbone.forward(x, { training: false }).clip;
    const second = backbone.forward(tf.slice(x, [1, 0, 0, 0], [1, -1, -1, -1]), { training: false }).clip;
    expectAllClose(tf.slice(both, [1, 0], [1, 12]), second, { atol: 1e-5 });
  });

  test.each([32, 40])('has a gradient for each parameter at %i pixels, positions included', (size) => {
    const backbone = tiny({ dropPath: 0.1 });
    const x = images(2, size);
    const { grads, dispose } = valueAndGrads(backbone.params, () => ({
      loss: tf.sum(tf.square(backbone.forward(x, { training: true, rng: createRng(1) }).clip)) as Scalar,
      logs: {},
    }));
    expect([...grads.keys()].toSorted()).toEqual([...backbone.params.keys()].toSorted());
    dispose();
  });

  test('drops other branches with another stream, the same with the same', () => {
    const backbone = tiny({ dropPath: 0.5, depth: 4 });
    const x = images(4, 32);
    const run = (seed: number) => [...backbone.forward(x, { training: true, rng: createRng(seed) }).clip.dataSync()];
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
  });

  test('says what it was built for', () => {
    expect(() => tiny().forward(tf.zeros([1, 32, 32, 1]), { training: false })).toThrow(/\[1, 32, 32, 1\].*3\]/);
    expect(() => tiny({ imageSize: 30 })).toThrow(/30.*8/);
    expect(() => tiny({ heads: 5 })).toThrow(/12.*5 heads/);
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
    const backbone = tiny();
    const x = images(2, 40);
    await expectNoLeak(() => tf.tidy(() => backbone.forward(x, { training: true }).clip).dispose());
  });
});
