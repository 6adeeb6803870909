import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, goldenTensor, type Tensor } from '@unlabel/core';
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
import { loadTempoTcn } from './goldens-tempo.ts';
import { buildTempoTcn } from './tempo-tcn.ts';

beforeAll(() => testEngine());

const input = (rows: number, frames: number): Tensor =>
  tf.tensor(goldenTensor('input:x', 1, [rows, 81, frames], 2).data, [rows, 81, frames]);
const small = (config: Record<string, unknown> = {}) => buildTempoTcn({ blocks: 3, ...config }, createRng(1));

describe('tempo-tcn', () => {
  test('has the published number of parameters', () => {
    expect(countParams(trainableOf(buildTempoTcn({}, createRng(1)).params))).toBe(28_335);
  });

  test.each([5, 6, 40])('takes %i frames and loses four', (frames) => {
    const { clip, frames: steps, branches } = small().forward(input(2, frames), { training: false });
    expect(clip.shape).toEqual([2, 16]);
    expect(steps!.shape).toEqual([2, frames - 4, 16]);
    expect([branches!['z']!.shape, branches!['tempo']!.shape]).toEqual([
      [2, 1],
      [2, 300],
    ]);
  });

  test('refuses what it was not built for, saying what it was', async () => {
    expect(() => small().forward(tf.zeros([1, 64, 96]), { training: false })).toThrow(/\[1, 64, 96\].*81/);
    expect(() => small().forward(tf.zeros([1, 81, 4]), { training: false })).toThrow(/5 frames or more/);
    expect(() => small({ bands: 64 })).toThrow(/64 bands leave 6 for conv3, which takes 8/);
    expect(() => small({ bands: 3 })).toThrow(/3 bands leave 0/);
    expect(() => small({ kernel: 4 })).toThrow(/odd/);
    expect(() => small({ chanels: 4 })).toThrow(/chanels/);
    await expect(loadTempoTcn('absent.pt')).rejects.toThrow('absent.pt: the tempo network');
    const other = fileURLToPath(new URL('../fixtures/weights/byol-s-d512.safetensors', import.meta.url));
    await expect(loadTempoTcn(other)).rejects.toThrow('byol-s-d512.safetensors');
  });

  test('gives the maps that were asked for', () => {
    const { maps } = small().forward(input(2, 30), { training: false, maps: ['conv1', 'tcn2', 'nothing'] });
    expect(Object.entries(maps!).map(([name, map]) => [name, map.shape])).toEqual([
      ['conv1', [2, 79, 28, 16]],
      ['tcn2', [2, 1, 26, 16]],
    ]);
  });

  test('a dilated block is the convolution that torch describes, tap by tap', async () => {
    const backbone = small({ channels: 2 });
    const x = input(1, 40);
    const { maps } = backbone.forward(x, { training: false, maps: ['tcn1', 'tcn2'] });
    const params = await toArrays(backbone.params);
    const name = 'tcn_block.model.TCNBlock2';
    const at = (key: string) => params[`${name}.${key}`]!.data;
    const before = [...maps!['tcn1']!.dataSync()]; // [36, 2]
    const value = (t: number, c: number) => (t < 0 || t >= 36 ? 0 : before[2 * t + c]!);
    const expected: number[] = [];
    for (let t = 0; t < 36; t++) {
      const hidden = [0, 1].map((o) => {
        let sum = at('conv.bias')[o]!;
        for (let k = 0; k < 5; k++)
          for (let c = 0; c < 2; c++) sum += at('conv.weight')[(o * 2 + c) * 5 + k]! * value(t + (k - 2) * 4, c);
        return sum > 0 ? sum : Math.expm1(sum);
      });
      for (let o = 0; o < 2; o++) {
        let sum = at('conv1x1.bias')[o]! + at('conv1x1_res.bias')[o]!;
        for (let c = 0; c < 2; c++) {
          sum += at('conv1x1.weight')[o * 2 + c]! * hidden[c]! + at('conv1x1_res.weight')[o * 2 + c]! * value(t, c);
        }
        expected.push(sum);
      }
    }
    expectAllClose(maps!['tcn2']!, tf.tensor(expected, [1, 1, 36, 2]), { atol: 1e-5 });
  });

  test('averages only valid frames of padded rows', () => {
    const backbone = small();
    const x = input(2, 32);
    const lengths = tf.tensor1d([32, 20], 'int32');
    const whole = backbone.forward(x, { training: false });
    const { clip } = backbone.forward(x, { training: false, lengths });
    expectAllClose(tf.slice(clip, [0, 0], [1, 16]), tf.slice(whole.clip, [0, 0], [1, 16]), { atol: 1e-6 });
    const mean = tf.mean(tf.slice(whole.frames!, [1, 0, 0], [1, 16, 16]), 1) as Tensor;
    const weight = backbone.params.get('tempo_block.dense.weight')!;
    const dense = tf.add(tf.matMul(mean, weight, false, true), backbone.params.get('tempo_block.dense.bias')!);
    expectAllClose(tf.slice(clip, [1, 0], [1, 16]), dense, { atol: 1e-6 });
  });

  test('every parameter of the regression path has a gradient, the class head none', () => {
    const backbone = small();
    const x = input(2, 40);
    const { grads, dispose } = valueAndGrads(backbone.params, () => {
      const { branches } = backbone.forward(x, { training: true, rng: createRng(1) });
      return { loss: tf.sum(branches!['z']!), logs: {} };
    });
    const silent = [...trainableOf(backbone.params).keys()].filter((name) => {
      const grad = grads.get(name);
      return grad === undefined || Math.max(...grad.dataSync().map(Math.abs)) === 0;
    });
    expect(silent).toEqual(['tempo_block.output.weight', 'tempo_block.output.bias']);
    dispose();
  });

  test('draws the same network from the same seed, and a clone is a network of its own', async () => {
    const backbone = small();
    const values = await toArrays(backbone.params);
    expect(await toArrays(small().params)).toEqual(values);
    const copy = backbone.clone();
    expect(await toArrays(copy.params)).toEqual(values);
    copy.params.get('conv3.bias')!.assign(tf.zeros([16]));
    expect(await toArrays(backbone.params)).toEqual(values);
  });

  test('drops different units with different streams, the same with the same', () => {
    const backbone = small({ dropout: 0.5 });
    const x = input(2, 16);
    const run = (seed: number) => [...backbone.forward(x, { training: true, rng: createRng(seed) }).clip.dataSync()];
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
  });

  test('leaves nothing behind', async () => {
    const backbone = small();
    const x = input(1, 16);
    await expectNoLeak(() => tf.tidy(() => backbone.forward(x, { training: true, rng: createRng(1) }).clip).dispose());
  });
});
