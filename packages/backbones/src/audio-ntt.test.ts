import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, goldenTensor, type Tensor } from '@unlabel/core';
import { countParams, expectAllClose, expectNoLeak, testEngine, tf, toArrays, trainableOf } from '@unlabel/engine';
import { audioNttName, lapeName } from './audio-ntt-names.ts';
import { buildAudioNtt } from './audio-ntt.ts';

beforeAll(() => testEngine());

const input = (rows: number, frames: number): Tensor =>
  tf.tensor(goldenTensor('input:x', 1, [rows, 64, frames], 2).data, [rows, 64, frames]);
const small = () => buildAudioNtt({ width: 16 }, createRng(1));

describe('audio-ntt', () => {
  test('has the published number of parameters', () => {
    expect(countParams(trainableOf(buildAudioNtt({}, createRng(1)).params))).toBe(5_321_856);
  });

  test.each([8, 9, 23, 96])('takes %i frames and gives one vector per eight', (frames) => {
    const { clip, frames: steps } = small().forward(input(2, frames), { training: false });
    expect(clip.shape).toEqual([2, 16]);
    expect(steps!.shape).toEqual([2, Math.floor(frames / 8), 16]);
  });

  test('refuses other bands and too few frames, saying what it was built for', () => {
    expect(() => small().forward(tf.zeros([1, 80, 96]), { training: false })).toThrow(/\[1, 80, 96\].*64/);
    expect(() => small().forward(tf.zeros([1, 64, 7]), { training: false })).toThrow(/8 frames or more/);
    expect(() => buildAudioNtt({ widht: 3 }, createRng(1))).toThrow(/widht/);
  });

  test('gives the maps that were asked for', () => {
    const { maps } = small().forward(input(2, 96), { training: false, maps: ['stage1', 'stage3', 'nothing'] });
    expect(Object.entries(maps!).map(([name, map]) => [name, map.shape])).toEqual([
      ['stage1', [2, 32, 48, 64]],
      ['stage3', [2, 8, 12, 64]],
    ]);
  });

  test('pools only valid frames of padded rows', () => {
    const backbone = small();
    const x = input(2, 32);
    const { frames } = backbone.forward(x, { training: false });
    const { clip } = backbone.forward(x, { training: false, lengths: tf.tensor1d([32, 17], 'int32') });
    const first = tf.slice(frames!, [1, 0, 0], [1, 2, 16]);
    expectAllClose(tf.slice(clip, [1, 0], [1, 16]), tf.add(tf.max(first, 1), tf.mean(first, 1)), { atol: 1e-6 });
  });

  test('draws the same network from the same seed, and a clone is a network of its own', async () => {
    const backbone = small();
    const values = await toArrays(backbone.params);
    expect(await toArrays(small().params)).toEqual(values);
    const copy = backbone.clone();
    expect(await toArrays(copy.params)).toEqual(values);
    copy.params.get('fc.0.weight')!.assign(tf.zeros([16, 512]));
    expect(await toArrays(backbone.params)).toEqual(values);
  });

  test('drops different units with different streams, the same with the same', () => {
    const backbone = buildAudioNtt({ width: 16, dropout: 0.5 }, createRng(1));
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

describe('foreign names', () => {
  test.each([
    ['features.4.weight', 'features.4.weight'],
    ['module.features.9.running_var', 'features.9.running_var'],
    ['encoder.encoder.features_1.0.weight', 'features.0.weight'],
    ['encoder_q.encoder.features_3.1.bias', 'features.9.bias'],
    ['encoder.encoder.fc.3.bias', 'fc.3.bias'],
    ['encoder_k.encoder.features_3.1.bias', undefined],
    ['encoder_q.fc.weight', undefined],
    ['p.projector.0.weight', undefined],
    ['queue', undefined],
  ])('%s → %s', (foreign, ours) => {
    expect(audioNttName(foreign)).toBe(ours);
  });

  test('go to LAPE and back', () => {
    for (const name of small().params.keys()) expect(audioNttName(lapeName(name))).toBe(name);
    expect(lapeName('features.8.weight', 'encoder_q.encoder')).toBe('encoder_q.encoder.features_3.0.weight');
  });
});
