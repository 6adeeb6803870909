import { beforeAll, expect, test } from 'vitest';
import { createRng, goldenTensor, parseConfig, type Batch, type Step, type Tensor } from '@unlabel/core';
import { countParams, expectNoLeak, selectParams, testEngine, tf, valueAndGrads } from '@unlabel/engine';
import { simclr, simclrConfig } from './simclr.ts';

// The loss and its gradients: goldens loss-simclr-* in @unlabel/objectives.

beforeAll(() => testEngine());

const build = (overrides: object = {}) =>
  simclr.build(parseConfig(simclrConfig, { ...simclr.presets['smoke']!.config, ...overrides }, 'test'), { rng: createRng(1) }); // prettier-ignore
const step: Step = { index: 0, total: 10, epoch: 0, rng: createRng(0) };
const view = (name: string): Tensor =>
  tf.tensor(goldenTensor(`input:${name}`, 1, [4, 16, 16, 3], 2).data, [4, 16, 16, 3]);

test('has the published projector: two layers, a norm without offset behind the last', () => {
  const backbone = { depth: 18, blocks: [1, 1, 1, 1], widths: [8, 8, 8, 24] };
  const model = simclr.build(parseConfig(simclrConfig, { backbone }, 'test'), { rng: createRng(1) });
  const projector = selectParams(model.trainable, (name) => name.startsWith('projector.'));
  expect(countParams(projector)).toBe(24 * 24 + 2 * 24 + 24 * 128 + 128);
  expect([...model.trainable.keys()].filter((name) => name.startsWith('projector'))).toEqual([
    'projector.0.weight',
    'projector.1.weight',
    'projector.1.bias',
    'projector.3.weight',
    'projector.4.weight',
  ]);
  expect(simclr.recipe.options).toEqual({ isRateInside: true });
});

test('equal views are recognised: accuracy 1 and a small loss; swapping views changes nothing', async () => {
  const model = build();
  const read = async (batch: Batch): Promise<number[]> => {
    const { loss, logs, dispose } = valueAndGrads(model.trainable, () => simclr.loss(model, batch, step));
    const values = [(await loss.data())[0]!, (await logs['accuracy']!.data())[0]!];
    dispose();
    return values;
  };
  const [a, b] = [view('a'), view('b')];
  const [same, found] = await read({ view1: a, view2: a });
  expect(found).toBe(1);
  const [other] = await read({ view1: a, view2: b });
  expect(same).toBeLessThan(other!);
  expect((await read({ view1: b, view2: a }))[0]).toBeCloseTo(other!, 4);
});

test('every parameter gets a gradient, and nothing is left behind', async () => {
  const model = build({ projectorLayers: 3, projectorWidth: 24 });
  const batch = { view1: view('a'), view2: view('b') };
  await expectNoLeak(async () => {
    const { grads, dispose } = valueAndGrads(model.trainable, () => simclr.loss(model, batch, step));
    expect(grads.size).toBe(model.trainable.size);
    dispose();
    await Promise.resolve();
  });
});
