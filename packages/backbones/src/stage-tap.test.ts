import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, type Backbone, type Tensor } from '@unlabel/core';
import { expectAllClose, testEngine, tf } from '@unlabel/engine';
import { maxPool2d } from '@unlabel/nn';
import { buildResnet } from './resnet.ts';
import { stageTaps, tapStage, type StageTap } from './stage-tap.ts';

beforeAll(() => testEngine());

const { cases } = JSON.parse(readFileSync(new URL('../fixtures/stage-tap.json', import.meta.url), 'utf8')) as {
  cases: { tap: StageTap; side: number; values: number[] }[];
};
const mapNames = { conv1: 'conv1', res2: 'layer1', res3: 'layer2', res4: 'layer3', res5: 'layer4' };

/** A network whose map is the same whatever the image. */
const saying = (tap: StageTap, map: () => Tensor): Backbone => ({
  ...buildResnet({ depth: 18, blocks: [1, 1, 1, 1], widths: [1, 1, 1, 1] }, createRng(1)),
  forward: () => ({ clip: tf.zeros([1, 1]), maps: { [mapNames[tap]]: map() } }),
});

/** The formula of `tools/fixtures/stage_tap.py`, places last there: [1, M, M, 2]. */
const wave = (side: number): Tensor => {
  const at = (x: number, y: number, c: number): number =>
    Math.sin(0.37 * (c + 1) * y + c) * Math.cos(0.23 * (c + 2) * x) + 0.5;
  const values = Array.from({ length: side * side * 2 }, (_, i) =>
    at(Math.floor(i / 2) % side, Math.floor(i / 2 / side), i % 2),
  );
  return tf.tensor4d(values, [1, side, side, 2]);
};

test.each(cases)('$tap of a map of $side × $side is torch’s pool', ({ tap, side, values }) => {
  const tapped = tapStage(saying(tap, () => wave(side)), tap, 224); // prettier-ignore
  expect(tapped.width).toBe(values.length);
  const { clip } = tapped.forward(tf.zeros([1, 8, 8, 3]), { training: false });
  expectAllClose(clip, { data: Float32Array.from(values), shape: [1, tapped.width] }, { atol: 2e-6 });
});

test('vectors of a ResNet-50 at 224 pixels have the published sizes', () => {
  const shapes = { conv1: [112, 64], res2: [56, 256], res3: [28, 512], res4: [14, 1024], res5: [7, 2048] };
  const widths = stageTaps.map((tap) => {
    const [side, channels] = shapes[tap] as [number, number];
    return tapStage(saying(tap, () => tf.zeros([1, side, side, channels])), tap, 224).width; // prettier-ignore
  });
  expect(widths).toEqual([9216, 9216, 8192, 9216, 8192]);
});

describe('of a network', () => {
  const build = () => buildResnet({ depth: 18, blocks: [1, 1, 1, 1], widths: [4, 6, 8, 10] }, createRng(1));
  const x = (): Tensor => tf.randomUniform([2, 64, 64, 3], -1, 1, 'float32', 5);

  test('each stage is the map of its name, in a copy too', () => {
    const backbone = build();
    const images = x();
    const { maps } = backbone.forward(images, { training: false, maps: ['conv1', 'stem', 'layer4'] });
    const pooled = maxPool2d(3, { stride: 2, padding: 1 }).forward(maps!['conv1']!, { training: false });
    expectAllClose(pooled, maps!['stem']!, { atol: 1e-6 });
    const last = tf.reshape(tf.transpose(maps!['layer4']!, [0, 3, 1, 2]), [2, 40]); // 2 × 2 places: the grid's own
    const tapped = tapStage(backbone, 'res5', 64);
    expect([tapped.width, tapStage(backbone, 'conv1', 64).width]).toEqual([40, 4 * 144]);
    expectAllClose(tapped.forward(images, { training: false }).clip, last, { atol: 1e-6 });
    expectAllClose(tapped.clone().forward(images, { training: false }).clip, last, { atol: 1e-6 });
  });

  test('without the stage it is refused', () => {
    const bare: Backbone = { ...build(), id: 'vit', forward: () => ({ clip: tf.zeros([1, 10]) }) };
    expect(() => tapStage(bare, 'res3', 64)).toThrow('res3: vit has no such stage; expected a residual network');
  });
});
