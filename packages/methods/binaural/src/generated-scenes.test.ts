/**
 * The generated scenes teach what they should and nothing else: each task is learned, and is chance without what it is about. What they
 * are trained with was chosen on scenes of seed 500, and is asserted on those of seed 900.
 */
import { beforeAll, expect, test } from 'vitest';
import { createRng, type Method, type NdArray, type Sample } from '@unlabel/core';
import { renderScene, type Scene } from '@unlabel/data';
import { optimizerFor, testEngine, tf, valueAndGrads } from '@unlabel/engine';
import { foregroundAlignment } from './foreground-alignment.ts';
import { logitsOf, type BinauralModel } from './shared.ts';
import { spatialAlignment } from './spatial-alignment.ts';
import { temporalGap } from './temporal-gap.ts';

beforeAll(() => testEngine());

/** What scenes teach does not hang on the engine, and takes a while: left out where the suites are run once more on the native one. */
const teaches = test.skipIf(process.env['UNLABEL_ENGINE'] === 'tensorflow');

const rate = 8000;

/** Noise, a chirp or a chord, by turns. */
function recording(index: number): Float32Array {
  const rng = createRng(500 + index);
  const f = rng.range(150, 900);
  return Float32Array.from({ length: 2 * rate }, (_, n) => {
    const t = n / rate;
    if (index % 3 === 0) return rng.normal();
    if (index % 3 === 1) return Math.sin(2 * Math.PI * (f * t + 400 * t * t)) + 0.1 * rng.normal();
    return [1, 1.5, 2, 3].reduce((sum, h) => sum + Math.sin(2 * Math.PI * f * h * t), 0.1 * rng.normal());
  });
}

const scenes = (count: number, seed: number, speed: number, seconds: number): Sample[] =>
  Array.from({ length: count }, (_, i) => {
    const options = { sampleRate: rate, seconds, speed, frameRate: 5, size: [8, 16] } as const;
    const { audio, frames }: Scene = renderScene(recording(seed + i), (i % 5) / 5, createRng(seed).fork(i), options);
    return { audio, frames };
  });

async function batchOf(
  method: Method,
  config: Record<string, unknown>,
  samples: readonly Sample[],
  first: number,
  rows: number,
) {
  const views = method.views(config);
  const stacked: Record<string, { data: Float32Array; shape: number[] }> = {};
  for (let row = 0; row < rows; row++) {
    const position = first + row;
    const rng = createRng(77).fork(position);
    const sample = await views(samples[position % samples.length]!, { rng, position, recent: async () => undefined });
    for (const [name, { data, shape }] of Object.entries(sample) as [string, NdArray][]) {
      const held = (stacked[name] ??= { data: new Float32Array(rows * data.length), shape: [rows, ...shape] });
      held.data.set(data, row * data.length);
    }
  }
  return Object.fromEntries(Object.entries(stacked).map(([name, { data, shape }]) => [name, tf.tensor(data, shape)]));
}

/** Half the frames of the preset, a convolution less. */
const quick = { hopLength: 128, channels: [8, 16, 16] };
const testRows = 400;

interface Learned {
  /** Share of held-out rows that is right, and its standard error at chance. */
  readonly accuracy: number;
  readonly error: number;
}

async function learn(
  method: Method,
  changes: Record<string, unknown>,
  data: { train: Sample[]; test: Sample[] },
  { steps, batch: rows, lr }: { steps: number; batch: number; lr: number },
): Promise<Learned> {
  const config = method.config.parse({ ...method.presets['smoke']!.config, ...quick, ...changes });
  const model = method.build(config, { rng: createRng(1) }) as BinauralModel;
  const optimizer = optimizerFor({ ...method.recipe, weightDecay: 0 }, model.trainable);
  for (let index = 0; index < steps; index++) {
    const batch = await batchOf(method, config, data.train, index * rows, rows);
    const step = { index, total: steps, epoch: 0, rng: createRng(index) };
    const { grads, dispose } = valueAndGrads(model.trainable, () => method.loss(model, batch, step));
    optimizer.step(grads, lr * Math.min(1, (1.2 * (steps - index)) / steps));
    dispose();
    tf.dispose(Object.values(batch));
  }
  const batch = await batchOf(method, config, data.test, 1e6, testRows);
  const right = tf.tidy(() => {
    const found = tf.argMax(logitsOf(model, batch, false), 1);
    return tf.sum(tf.cast(tf.equal(found, tf.cast(tf.reshape(batch['label']!, [-1]), 'int32')), 'float32'));
  });
  const accuracy = (await right.data())[0]! / testRows;
  const chance = 1 / logitsOf(model, batch, false).shape[1]!;
  optimizer.dispose();
  tf.dispose([right, ...Object.values(batch), ...model.trainable.values(), ...model.state.values()]);
  return { accuracy, error: Math.sqrt((chance * (1 - chance)) / testRows) };
}

const expectChance = ({ accuracy, error }: Learned, chance: number): void => {
  expect(accuracy).toBeGreaterThan(chance - 3 * error);
  expect(accuracy).toBeLessThan(chance + 3 * error);
};

teaches(
  'spatial alignment is learned with two ears and is chance with one',
  async () => {
    const data = { train: scenes(24, 0, 60, 4), test: scenes(12, 900, 60, 4) };
    const both = await learn(spatialAlignment as unknown as Method, {}, data, { steps: 120, batch: 16, lr: 5e-3 });
    const mono = await learn(spatialAlignment as unknown as Method, { isMono: true }, data, {
      steps: 120,
      batch: 16,
      lr: 5e-3,
    });
    expect(both.accuracy).toBeGreaterThan(0.95);
    expectChance(mono, 0.5);
  },
  150_000,
);

teaches(
  'foreground alignment is learned with the picture and is chance without',
  async () => {
    const data = { train: scenes(24, 0, 100, 5), test: scenes(12, 900, 100, 5) };
    const away = { offset: [1.4, 1.8], seconds: 0.15 }; // the source goes from one side to the other in 1.6 s
    const recipe = { steps: 120, batch: 16, lr: 5e-3 };
    const seen = await learn(foregroundAlignment as unknown as Method, away, data, recipe);
    const blind = await learn(foregroundAlignment as unknown as Method, { ...away, isBlind: true }, data, recipe);
    expect(seen.accuracy).toBeGreaterThan(0.8);
    expectChance(blind, 0.5);
  },
  150_000,
);

teaches(
  'the gap is told above chance by a moving source only',
  async () => {
    const gaps = { gaps: [0, 2], seconds: 0.15 };
    const make = (speed: number) => ({ train: scenes(24, 0, speed, 5), test: scenes(12, 900, speed, 5) });
    const moving = await learn(temporalGap as unknown as Method, gaps, make(40), { steps: 150, batch: 16, lr: 5e-3 });
    const still = await learn(temporalGap as unknown as Method, gaps, make(0), { steps: 150, batch: 16, lr: 5e-3 });
    expect(moving.accuracy).toBeGreaterThan(0.5 + 5 * moving.error);
    expectChance(still, 0.5);
  },
  150_000,
);
