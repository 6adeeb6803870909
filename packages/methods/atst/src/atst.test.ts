import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, goldenTensor, parseConfig, type NdArray, type Sample, type Step, type Tensor } from '@unlabel/core';
import {
  disposeParams,
  expectAllClose,
  expectNoLeak,
  mergeParams,
  testEngine,
  tf,
  toArrays,
  valueAndGrads,
} from '@unlabel/engine';
import { decayAfter, type AtstModel } from './atst.ts';
import { atstClip, atstClipConfig, atstClipViews } from './atst-clip.ts';
import { atstFrame, atstFrameConfig, atstFrameTerms, atstFrameViews, drawMask } from './atst-frame.ts';

beforeAll(() => testEngine());

const clipConfig = (more = {}) =>
  parseConfig(atstClipConfig, { ...atstClip.presets['smoke']!.config, ...more }, 'test');
const frameConfig = (more = {}) =>
  parseConfig(atstFrameConfig, { ...atstFrame.presets['smoke']!.config, ...more }, 'test');
const stepAt = (index: number): Step => ({ index, total: 10, epoch: 0, rng: createRng(index) });
const logMel = (name: string, frames = 60): NdArray => goldenTensor(`input:${name}`, 1, [64, frames], 1);
const views = (rows: number, frames: number) => {
  const view = (name: string): Tensor =>
    tf.tensor(goldenTensor(`input:${name}`, 2, [rows, 64, frames], 1).data, [rows, 64, frames]);
  return { view1: view('view1'), view2: view('view2') };
};
const freed = (model: AtstModel): void => disposeParams(mergeParams(model.trainable, model.state));

describe('views', () => {
  const context = (position: number, asked: number[] = []) => ({
    rng: createRng(5),
    position,
    recent: async (k: number): Promise<Sample> => {
      asked.push(k);
      return { logMel: logMel(`first${k}`), logMel2: logMel(`second${k}`) };
    },
  });
  const sample = { logMel: logMel('first'), logMel2: logMel('second') };

  test('of Clip are two crops, each of its own, mixed with inputs of the last 2000 positions', async () => {
    const draw = atstClipViews(clipConfig());
    const { view1, view2 } = await draw(sample, context(10));
    expect([view1!.shape, view2!.shape]).toEqual([[64, 60], [64, 60]]); // prettier-ignore
    expect((await draw({ ...sample, logMel2: logMel('other') }, context(10))).view1).toEqual(view1);
    expect((await draw({ ...sample, logMel: logMel('other') }, context(10))).view2).toEqual(view2);
    const asked: number[] = [];
    for (let i = 0; i < 300; i++) await draw(sample, { ...context(5000, asked), rng: createRng(i) });
    expect(Math.max(...asked)).toBeLessThanOrEqual(2000);
    expect(Math.max(...asked)).toBeGreaterThan(1900);
    expect(Math.min(...asked)).toBeGreaterThanOrEqual(1);
  });

  test('of Frame are one crop, clean and augmented without moving in time', async () => {
    const asked: number[] = [];
    const { view1, view2 } = await atstFrameViews(frameConfig())(sample, context(0, asked));
    expect(view1).toBe(sample.logMel);
    expect(asked).toEqual([]); // nothing to mix with at the start
    // a column of the augmented view is a resampled column of the clean one: constant columns stay where they are
    const bars = { data: new Float32Array(64 * 60), shape: [64, 60] };
    bars.data.forEach((_, i) => (bars.data[i] = (i % 60) / 60));
    const moved = await atstFrameViews(frameConfig({ freqScale: [0.6, 0.9] }))({ logMel: bars }, context(0));
    moved.view2!.data.forEach((value, i) => expect(value).toBeCloseTo((i % 60) / 60, 5));
    expect(view2!.data).not.toEqual(view1!.data);
  });

  test('say which array they lack', async () => {
    await expect(atstClipViews(clipConfig())({ logMel: logMel('x') }, context(1))).rejects.toThrow(/expected logMel2/);
  });
});

describe('the teacher', () => {
  test('begins as the student, gets no gradient, and follows by the schedule', async () => {
    const model = atstClip.build(clipConfig({ decay: 0.5 }), { rng: createRng(1) });
    const teacher = () => toArrays(model.teacher.backbone.params);
    const start = await teacher();
    expect(start).toEqual(await toArrays(model.student.backbone.params));
    const { grads, dispose } = valueAndGrads(model.trainable, () => atstClip.loss(model, views(4, 41), stepAt(0)));
    expect([...grads.keys()].every((name) => name.startsWith('student.'))).toBe(true);
    expect([...grads.keys()].toSorted()).toEqual(
      [...model.trainable.keys()].filter((name) => !name.endsWith('mask_embed')).toSorted(),
    );
    dispose();
    const weight = model.student.backbone.params.get('pos_embed')!;
    weight.assign(tf.add(weight, 1));
    atstClip.afterStep!(model, {}, stepAt(4));
    const decay = decayAfter(stepAt(4), 0.5);
    expect(decay).toBeCloseTo(0.75, 12);
    const moved = (await teacher())['pos_embed']!;
    expectAllClose(moved, { data: start['pos_embed']!.data.map((x) => x + 0.25), shape: moved.shape }, { atol: 1e-6 });
    expect(decayAfter(stepAt(9), 0.5)).toBe(1);
    freed(model);
  });

  test('sees what is masked: hiding a patch changes the prediction only', () => {
    const model = atstFrame.build(frameConfig({ dropPath: 0 }), { rng: createRng(1) });
    const batch = views(2, 40);
    const run = (extra: readonly number[]) => {
      // the same patches are gathered; others are hidden besides from rows whose length ends before them
      const hidden = new Uint8Array(20);
      for (const i of [2, 3, 13, 14, ...extra]) hidden[i] = 1;
      return tf.tidy(() => {
        const { prediction, projection } = atstFrameTerms(model, batch, stepAt(0), { hidden, valid: [6, 6] });
        return { prediction: prediction.arraySync(), projection: projection.arraySync() };
      });
    };
    const [few, more] = [run([]), run([8, 19])];
    expect(more.projection).toEqual(few.projection);
    expect(more.prediction).not.toEqual(few.prediction);
    freed(model);
  });
});

test('masks are drawn row by row and half of the patches are hidden', () => {
  const hidden = drawMask(40, 250, parseConfig(atstFrameConfig, {}, 'test'), createRng(1));
  const shares = Array.from({ length: 40 }, (_, row) =>
    hidden.subarray(row * 250, row * 250 + 250).reduce((sum, x) => sum + x / 250, 0),
  );
  expect(shares.reduce((a, b) => a + b) / 40).toBeCloseTo(0.503, 1);
  expect(new Set(shares).size).toBeGreaterThan(5);
});

test.each([
  ['atst-clip', atstClip, clipConfig],
  ['atst-frame', atstFrame, frameConfig],
] as const)('%s leaves nothing behind after a step', async (_id, method, config) => {
  const model = method.build(config() as never, { rng: createRng(1) });
  const batch = views(4, 61);
  await expectNoLeak(() => {
    valueAndGrads(model.trainable, () => method.loss(model as never, batch, stepAt(1))).dispose();
    method.afterStep!(model as never, batch, stepAt(1));
  });
  freed(model);
});
