import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, goldenAudio, goldenTensor, parseConfig, type Batch, type Sample, type Step } from '@unlabel/core';
import { expectAllClose, expectNoLeak, testEngine, tf, toArrays, valueAndGrads } from '@unlabel/engine';
import { mtSlvr, mtSlvrConfig } from './mt-slvr.ts';
import { applyPipeline, drawPipeline, labelsOf, transforms } from './transforms.ts';

beforeAll(() => testEngine());

const step: Step = { index: 0, total: 1, epoch: 0, rng: createRng(0) };
const tiny = (more: Record<string, unknown> = {}) =>
  parseConfig(mtSlvrConfig, { ...mtSlvr.presets['smoke']!.config, ...more }, 'test');
const batchOf = (): Batch => ({
  view1: tf.tensor(goldenTensor('input:v1', 1, [4, 384, 16], 1).data, [4, 384, 16]),
  view2: tf.tensor(goldenTensor('input:v2', 1, [4, 384, 16], 1).data, [4, 384, 16]),
  transform: tf.tensor(
    goldenTensor('input:y', 1, [4, 7], 1).data.map((y) => (y > 0 ? 1 : 0)),
    [4, 7],
  ),
});

describe('transforms', () => {
  test('are the published seven in the order of the bits', () => {
    expect(transforms.map(({ name }) => name)).toEqual([
      'pitch_shift', 'fade', 'white_noise', 'mixed_noise', 'time_stretch', 'time_masking', 'time_shift',
    ]); // prettier-ignore
  });

  test('one to seven of them, each number as likely, so that each bit is set four times in seven', () => {
    const pipelines = Array.from({ length: 4000 }, (_, i) => drawPipeline(createRng(1).fork(i)));
    for (let count = 1; count <= 7; count++) {
      const share = pipelines.filter(({ length }) => length === count).length / 4000;
      expect(Math.abs(share - 1 / 7)).toBeLessThan(0.03);
    }
    for (let t = 0; t < 7; t++) {
      const share = pipelines.filter((pipeline) => pipeline.includes(t)).length / 4000;
      expect(Math.abs(share - 4 / 7)).toBeLessThan(0.03);
    }
    expect(new Set(pipelines.map(([first]) => first)).size).toBe(7);
    expect([...labelsOf([4, 0])]).toEqual([1, 0, 0, 0, 1, 0, 0]);
  });

  test('keep their order, and draw parameters from the stream they are given', () => {
    const audio = goldenAudio('x', 1, 8000, 16000).data;
    const once = applyPipeline(audio, [6, 1], createRng(1));
    expect(applyPipeline(audio, [6, 1], createRng(1))).toEqual(once);
    expect(applyPipeline(audio, [1, 6], createRng(1))).not.toEqual(once);
    expect(applyPipeline(audio, [6, 1], createRng(2))).not.toEqual(once);
  });
});

test('views are two, of stacked channels, through the same transforms, the same for the same draws', async () => {
  const views = mtSlvr.views(tiny());
  const sample: Sample = { audio: { data: goldenAudio('x', 2, 8000, 16000).data, shape: [1, 8000] } };
  const context = { rng: createRng(3), position: 0, recent: () => Promise.resolve(undefined) };
  const { view1, view2, transform } = await views(sample, context);
  expect([view1!.shape, view2!.shape, transform!.shape]).toEqual([[384, 16], [384, 16], [7]]);
  expect(view1!.data).not.toEqual(view2!.data);
  expect(view1!.data.every(Number.isFinite)).toBe(true);
  expect((await views(sample, context)).view2).toEqual(view2);
  expect(() => views({}, context)).toThrow(/no audio/);
});

describe('loss', () => {
  test('is the contrastive term plus λ times the predictive one; each alone is its own', () => {
    const batch = batchOf();
    const of = (config: Record<string, unknown>): Record<string, number> =>
      tf.tidy(() => {
        const model = mtSlvr.build(tiny(config), { rng: createRng(1) });
        const { loss, logs } = mtSlvr.loss(model, batch, step);
        const values = Object.entries({ ...logs, loss }).map(([name, value]) => [name, value.dataSync()[0]!] as const);
        return Object.fromEntries(values);
      }) as unknown as Record<string, number>;
    const both = of({ predictiveWeight: 3 });
    expect(both['loss']).toBeCloseTo(both['contrastive']! + 3 * both['predictive']!, 4);
    expect(both['predictive']).toBeCloseTo(0.69, 0);
    const one = of({ objective: 'contrastive' });
    expect(Object.keys(one)).toEqual(['contrastive', 'loss']);
    expect(one['loss']).toBeCloseTo(both['contrastive']!, 5);
    expect(Object.keys(of({ objective: 'predictive' }))).toEqual(['predictive', 'loss']);
    expect(of({ contrastive: 'simsiam' })['contrastive']).toBeLessThan(1);
  });

  test('a task’s loss moves its own adapters and what is shared, not the other’s', () => {
    const batch = batchOf();
    const model = mtSlvr.build(tiny({ objective: 'predictive' }), { rng: createRng(1) });
    const { grads, dispose } = valueAndGrads(model.trainable, () => mtSlvr.loss(model, batch, step));
    const sizeOf = (name: string): number => {
      const grad = grads.get(name);
      return grad ? tf.sum(tf.abs(grad)).dataSync()[0]! : 0;
    };
    expect(sizeOf('backbone.layer3.0.conv1.parallel_conv.1.conv.weight')).toBeGreaterThan(0);
    expect(sizeOf('backbone.layer1.0.conv1.parallel_conv.0.conv.weight')).toBeGreaterThan(0);
    expect(sizeOf('backbone.layer3.0.conv1.parallel_conv.0.conv.weight')).toBe(0);
    dispose();
  });

  test('leaves nothing behind', async () => {
    const batch = batchOf();
    const model = mtSlvr.build(tiny(), { rng: createRng(1) });
    await expectNoLeak(() => valueAndGrads(model.trainable, () => mtSlvr.loss(model, batch, step)).dispose());
  });
});

test('is a function of its seed', async () => {
  const [a, b] = [1, 1].map((seed) => mtSlvr.build(tiny(), { rng: createRng(seed) }));
  const [ofA, ofB] = await Promise.all([toArrays(a!.trainable), toArrays(b!.trainable)]);
  for (const [name, array] of Object.entries(ofA)) expectAllClose(array, ofB[name]!, {});
});
