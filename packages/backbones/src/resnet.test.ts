import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, goldenTensor, type Rng, type Scalar, type Tensor } from '@unlabel/core';
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
import { buildResnet } from './resnet.ts';

beforeAll(() => testEngine());

const images = (rows: number, size: number, channels = 3): Tensor =>
  tf.tensor(goldenTensor('input:x', 1, [rows, size, size, channels], 2).data, [rows, size, size, channels]);
/** Draws nothing: for what does not depend on the values. */
const still: Rng = Object.assign(createRng(0), { fork: () => still, normal: () => 0 });
const tiny = (config: Readonly<Record<string, unknown>> = {}) =>
  buildResnet({ depth: 18, blocks: [1, 1, 1, 1], widths: [4, 8, 8, 16], ...config }, createRng(1));

describe('resnet', () => {
  test.each([
    [18, 11_176_512],
    [34, 21_284_672],
    [50, 23_508_032],
  ])('%i has the published number of parameters without its classifier', (depth, count) => {
    const { params } = buildResnet({ depth }, still);
    expect(countParams(trainableOf(params))).toBe(count);
    tf.dispose([...params.values()]);
  });

  test('halves the image five times with the large stem, three times with the small one', () => {
    const all = ['stem', 'layer1', 'layer2', 'layer3', 'layer4'];
    const sizes = (stem: string) => {
      const { maps, clip } = tiny({ stem }).forward(images(2, 64), { training: false, maps: all });
      expect(clip.shape).toEqual([2, 16]);
      return all.map((name) => maps![name]!.shape[1]);
    };
    expect(sizes('large')).toEqual([16, 16, 8, 4, 2]);
    expect(sizes('small')).toEqual([64, 64, 32, 16, 8]);
  });

  test('a bottleneck has four times the channels and strides in its 3×3', () => {
    const { params, width } = tiny({ depth: 50, channels: 2 });
    expect(width).toBe(64);
    expect(params.get('conv1.weight')!.shape).toEqual([7, 7, 2, 4]);
    expect(params.get('layer2.0.conv3.weight')!.shape).toEqual([1, 1, 8, 32]);
    const { clip } = tiny({ depth: 50, channels: 2 }).forward(images(1, 40, 2), { training: false });
    expect(clip.shape).toEqual([1, 64]);
  });

  test('says what it was built for', () => {
    expect(() => tiny().forward(tf.zeros([1, 32, 32, 1]), { training: false })).toThrow(/\[1, 32, 32, 1\].*3\]/);
    expect(() => buildResnet({ depth: 19 }, createRng(1))).toThrow(/depth/);
  });

  test('normalises views apart when rows are groups', () => {
    const x = images(4, 32);
    const whole = tiny().forward(x, { training: true, groups: 2 }).clip;
    const first = tiny().forward(tf.slice(x, [0, 0, 0, 0], [2, -1, -1, -1]), { training: true }).clip;
    expectAllClose(tf.slice(whole, [0, 0], [2, -1]), first, { atol: 1e-5 });
  });

  test('leaves running statistics alone when they normalise, and still has gradients', async () => {
    const backbone = tiny();
    const before = await toArrays(backbone.params);
    const x = images(2, 32);
    const run = (statistics: 'batch' | 'running') =>
      valueAndGrads(backbone.params, () => ({
        loss: tf.mean(tf.square(backbone.forward(x, { training: true, statistics }).clip)) as Scalar,
        logs: {},
      }));
    const frozen = run('running');
    expect(frozen.grads.size).toBe(trainableOf(backbone.params).size);
    expect(await toArrays(backbone.params)).toEqual(before);
    expectAllClose(
      frozen.loss,
      tf.mean(tf.square(backbone.forward(x, { training: false }).clip)), //
      { rtol: 1e-5 },
    );
    frozen.dispose();
    run('batch').dispose();
    expect(await toArrays(backbone.params)).not.toEqual(before);
  });

  test('starts as identities behind each first block when asked to', () => {
    const backbone = tiny({ blocks: [2, 1, 1, 1], isZeroInit: true });
    const { maps } = backbone.forward(images(2, 32), { training: true, maps: ['stem', 'layer1'] });
    expectAllClose(maps!['layer1']!, maps!['stem']!, { atol: 0 });
  });

  test('a clone is a network of its own', async () => {
    const backbone = tiny();
    const copy = backbone.clone();
    const values = await toArrays(backbone.params);
    expect(await toArrays(copy.params)).toEqual(values);
    copy.params.get('bn1.weight')!.assign(tf.zeros([4]));
    expect(await toArrays(backbone.params)).toEqual(values);
  });

  test('leaves nothing behind', async () => {
    const backbone = tiny();
    const x = images(2, 32);
    await expectNoLeak(() => tf.tidy(() => backbone.forward(x, { training: true }).clip).dispose());
    await expectNoLeak(() => tf.tidy(() => backbone.forward(x, { training: false }).clip).dispose());
  });
});
