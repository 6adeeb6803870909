import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { assignArrays, expectAllClose, expectNoLeak, testEngine, tf, toArrays } from '@unlabel/engine';
import { buildBinauralNet } from './binaural-net.ts';
import { concat } from './concat.ts';
import { progressive } from './progressive.ts';

beforeAll(() => testEngine());

const fixture = JSON.parse(readFileSync(new URL('../fixtures/binaural-net.json', import.meta.url), 'utf8')) as {
  channels: number[];
  train: number[][];
  eval: number[][];
  shapes: number[][];
}; // made by tools/fixtures/binaural_net.py

const wave = (count: number, step: number, scale: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * step) * scale);

test("equals torch's layers, in training and in evaluation, and keeps its names", async () => {
  const { channels } = fixture;
  const network = buildBinauralNet({ channels }, createRng(1));
  expect([...network.params.keys()].slice(0, 6)).toEqual([
    ...['0.weight', '0.bias', '1.weight', '1.bias'].map((name) => `audionet_convlayer1.${name}`),
    ...['running_mean', 'running_var'].map((name) => `audionet_convlayer1.1.${name}`),
  ]);
  const arrays = await toArrays(network.params);
  channels.forEach((width, i) => {
    const name = `audionet_convlayer${i + 1}`;
    const put = (key: string, data: Float32Array) => arrays[`${name}.${key}`]!.data.set(data);
    put('0.weight', wave(arrays[`${name}.0.weight`]!.data.length, 0.7 + i, 0.2));
    put('0.bias', wave(width, 1.3, 0.1));
    put('1.weight', wave(width, 0.9, 0.2).map((x) => 1 + x)); // prettier-ignore
    put('1.bias', wave(width, 1.1, 0.1));
  });
  assignArrays(network.params, arrays);
  const x = tf.tensor(wave(3 * 2 * 65 * 51, 0.37, 1.5), [3, 2, 65, 51]);
  for (const mode of ['train', 'eval'] as const) {
    const { clip } = network.forward(x, { training: mode === 'train' });
    const expected = { data: Float32Array.from(fixture[mode].flat()), shape: [3, 20] };
    expectAllClose(clip, expected, { atol: 2e-5, rtol: 1e-4 });
  }
  await expectNoLeak(() => tf.tidy(() => void network.forward(x, { training: false })));
});

test('two seconds at 48 kHz have the published maps', () => {
  const network = buildBinauralNet({ channels: [1, 1, 1, 1, 1] }, createRng(1));
  const names = [1, 2, 3, 4, 5].map((i) => `right.conv${i}`);
  const { maps } = network.forward(tf.zeros([1, 2, 257, 601]), { training: false, maps: names });
  expect(names.map((name) => maps![name]!.shape.slice(1, 3))).toEqual(fixture.shapes);
  expect(fixture.shapes).toEqual([
    [128, 300],
    [64, 150],
    [32, 75],
    [16, 37],
    [8, 18],
  ]);
});

test('says what it expects', () => {
  expect(() =>
    buildBinauralNet({ channels: [1, 1] }, createRng(1)).forward(tf.zeros([1, 1, 8, 8]), { training: false }),
  ).toThrow(/\[1, 1, 8, 8\]; expected \[rows, 2, 4 bins/);
});

test('stages of both ears can be connected, and networks side by side offer their maps side by side', () => {
  const build = (seed: number) => buildBinauralNet({ channels: [2, 3] }, createRng(seed));
  const [frozen, column] = [build(1), build(2)];
  const x = tf.randomNormal([2, 2, 8, 8], 0, 1, 'float32', 3);
  const maps = ['conv1', 'left.conv2', 'right.conv2'];
  const plain = column.forward(x, { training: false, maps });
  const both = plain.maps!['conv1']!; // the literal first stage: left rows, then right
  expect(both.shape).toEqual([4, 4, 4, 2]);
  const before = concat([frozen, column]).forward(x, { training: false, maps });
  expectAllClose(tf.split(before.maps!['left.conv2']!, [3, 3], 3)[1]!, plain.maps!['left.conv2']!, {});
  expectAllClose(tf.split(before.clip, 2, 1)[0]!, frozen.forward(x, { training: false }).clip, {});

  const connected = progressive(frozen, column, createRng(3));
  expect([...connected.params.keys()].filter((name) => name.startsWith('lateral'))).toEqual([
    'lateral.conv1.weight',
    'lateral.conv2.weight',
  ]);
  const lateral = connected.params.get('lateral.conv1.weight')!;
  const own = frozen.forward(x, { training: false, maps: ['conv1'] }).maps!['conv1']!;
  const sum = tf.add(both, tf.conv2d(own as never, tf.reshape(lateral, [1, 1, 2, 2]) as never, 1, 'valid'));
  expectAllClose(connected.forward(x, { training: false, maps }).maps!['conv1']!, sum, { atol: 1e-5 });
});
