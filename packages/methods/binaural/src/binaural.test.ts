import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, type NdArray, type Sample } from '@unlabel/core';
import { renderScene } from '@unlabel/data';
import { expectAllClose, expectNoLeak, testEngine, tf } from '@unlabel/engine';
import { foregroundAlignment } from './foreground-alignment.ts';
import { classification, logitsOf, pictureOf, windowOf } from './shared.ts';
import { spatialAlignment } from './spatial-alignment.ts';
import { temporalGap } from './temporal-gap.ts';

beforeAll(() => testEngine());

const noise = createRng(4);
const recording = Float32Array.from({ length: 8000 }, () => noise.normal());
const scene: Sample = (() => {
  const { audio, frames } = renderScene(recording, 0.3, createRng(2), {
    sampleRate: 8000,
    seconds: 5,
    speed: 30,
    frameRate: 5,
    size: [8, 16],
  });
  return { audio, frames };
})();
const config = spatialAlignment.config.parse(spatialAlignment.presets['smoke']!.config);
const context = (seed: number) => ({ rng: createRng(seed), position: seed, recent: () => Promise.resolve(undefined) });

describe('a window', () => {
  const audio = scene['audio']!;

  test('keeps the level between the ears, and loses the loudness of the place', () => {
    const { data, shape } = windowOf(audio, 4000, config);
    expect(shape).toEqual([2, 65, 38]);
    const louder: NdArray = { data: audio.data.map((value) => 7 * value), shape: audio.shape };
    expectAllClose(windowOf(louder, 4000, config).data, data, { atol: 1e-4 });
    const swapped = windowOf(audio, 4000, config, true).data;
    expect(swapped.subarray(0, 65 * 38)).toEqual(data.subarray(65 * 38));
    const mono = windowOf(audio, 4000, { ...config, isMono: true }).data;
    expect(mono.subarray(0, 65 * 38)).toEqual(mono.subarray(65 * 38));
  });

  test('of a sine is log power of the spectrum, at least 1e-5', () => {
    const sine = Float32Array.from({ length: 8000 }, (_, n) => Math.sin((2 * Math.PI * 1000 * n) / 8000));
    const both: NdArray = { data: Float32Array.from([...sine, ...sine]), shape: [2, 8000] };
    const { data } = windowOf(both, 0, config);
    // amplitude 0.1·√2 under a periodic Hann window of 128: |X| = A·Σw/2 = A·32 at its bin
    expect(data[16 * 38 + 10]).toBeCloseTo(2 * Math.log(0.1 * Math.SQRT2 * 32), 2);
    expect(Math.min(...data)).toBeCloseTo(Math.log(1e-5), 5);
  });
});

test('a picture is mirrored without its column, and is the one of its moment', () => {
  const frames = scene['frames']!;
  const [plain, mirrored] = [pictureOf(frames, 0.5, config), pictureOf(frames, 0.5, config, true)];
  for (let x = 0; x < 16; x++) {
    const at = (picture: NdArray, column: number, c: number) => picture.data[(4 * 16 + column) * 4 + c];
    expect(at(mirrored, x, 0)).toBe(at(plain, 15 - x, 0));
    expect(at(mirrored, x, 3)).toBe(at(plain, x, 3));
    expect(at(plain, x, 0)).toBe(frames.data[((12 * 8 + 4) * 16 + x) * 3]);
  }
  expect(
    pictureOf(frames, 0.5, { ...config, isBlind: true })
      .data.filter((_, i) => i % 4 !== 3)
      .every((value) => value === 0),
  ).toBe(true);
});

test('labels are even, and the mirror is not the label', async () => {
  const views = spatialAlignment.views(config);
  const rows = await Promise.all(Array.from({ length: 200 }, async (_, seed) => views(scene, context(seed))));
  const labels = rows.map((row) => row['label']!.data[0]!);
  expect(labels.filter((label) => label === 1).length).toBeGreaterThan(75);
  expect(labels.filter((label) => label === 1).length).toBeLessThan(125);
  // the louder ear and the side of the disc agree exactly when the label is 0
  const level = (row: Sample) => row['audio1']!.data.reduce((sum, value, i) => sum + (i < 65 * 38 ? -value : value), 0);
  const side = (row: Sample) =>
    row['picture']!.data.reduce((sum, value, i, all) => (i % 4 === 0 ? sum + value * all[i + 3]! : sum), 0);
  const clear = rows.filter((row) => Math.abs(side(row)) > 0.8);
  expect(clear.length).toBeGreaterThan(40);
  for (const row of clear) expect(Math.sign(level(row)) === Math.sign(side(row))).toBe(row['label']!.data[0] === 0);
});

test('windows of a gap lie where the label says; scenes that are too short are refused', async () => {
  const gapConfig = temporalGap.config.parse({ ...temporalGap.presets['smoke']!.config, gaps: [0, 2] });
  // the level between the ears tells where a window lies
  const tone = Float32Array.from({ length: 40000 }, (_, i) => Math.sin(i / 5));
  const louder = tone.map((value, i) => value * (1 + i / 4000));
  const audio: NdArray = { data: Float32Array.from([...tone, ...louder]), shape: [2, 40000] };
  for (let seed = 0; seed < 8; seed++) {
    const row = await temporalGap.views(gapConfig)({ audio, frames: scene['frames']! }, context(seed));
    expect(Object.keys(row)).toEqual(['audio1', 'audio2', 'label']);
    const places = ['audio1', 'audio2'].map((name) => {
      const { data } = row[name]!;
      const [left, right] = [0, 1].map((ear) => Math.max(...[2, 3, 4].map((bin) => data[(ear * 65 + bin) * 38 + 19]!)));
      return 4000 * (Math.exp((right! - left!) / 2) - 1);
    });
    const gap = [0, 2][row['label']!.data[0]!]!;
    expect((places[1]! - places[0]!) / 8000).toBeCloseTo(0.3 + gap, 1);
  }
  const short: NdArray = { data: new Float32Array(2 * 8000), shape: [2, 8000] };
  expect(() => temporalGap.views(gapConfig)({ audio: short, frames: scene['frames']! }, context(3))).toThrow(
    /too short/,
  );
  expect(() => temporalGap.views(gapConfig)({ audio: short }, context(3))).toThrow(/frames \[T, H, W, 3\]/);
});

test.each([spatialAlignment, foregroundAlignment, temporalGap])(
  '$id: cross entropy and accuracy are the literal ones, and nothing leaks',
  async (method) => {
    const own = method.config.parse({
      ...method.presets['smoke']!.config,
      ...(method.id === 'temporal-gap' && { gaps: [0, 1, 2] }),
    });
    const model = method.build(own as never, { rng: createRng(1) });
    const rows = await Promise.all(
      Array.from({ length: 4 }, async (_, seed) => method.views(own as never)(scene, context(seed))),
    );
    const batch = Object.fromEntries(
      Object.entries(rows[0]!).map(([name, { shape }]) => [
        name,
        tf.stack(rows.map((row) => tf.tensor(row[name]!.data, [...shape]))),
      ]),
    );
    const logits = logitsOf(model, batch, true).arraySync() as number[][];
    const labels = rows.map((row) => row['label']!.data[0]!);
    const terms = logits.map(
      (row, i) => Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[labels[i]!]!,
    );
    const { loss, logs } = classification(model, batch);
    expectAllClose(loss, terms.reduce((sum, term) => sum + term, 0) / 4, { rtol: 1e-5 });
    const right = logits.filter((row, i) => row.indexOf(Math.max(...row)) === labels[i]).length;
    expectAllClose(logs.accuracy, right / 4, {});
    await expectNoLeak(() => tf.tidy(() => void classification(model, batch)));
  },
);
