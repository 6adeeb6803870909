import { beforeAll, expect, test } from 'vitest';
import { buildResnet } from '@unlabel/backbones';
import { createRng, goldenTensor, parseConfig, type Step, type Tensor } from '@unlabel/core';
import { countParams, expectNoLeak, selectParams, testEngine, tf, valueAndGrads } from '@unlabel/engine';
import { byolDecay } from '@unlabel/objectives';
import { byolConfig, byolMethod, type Byol } from './byol.ts';

// The loss, its gradients and the decay: goldens loss-byol-simsiam-* in @unlabel/objectives.

beforeAll(() => testEngine());

const build = (): Byol =>
  byolMethod.build(parseConfig(byolConfig, byolMethod.presets['smoke']!.config!, 'test'), { rng: createRng(1) });
const stepAt = (index: number): Step => ({ index, total: 10, epoch: 0, rng: createRng(index) });
const view = (name: string): Tensor =>
  tf.tensor(goldenTensor(`input:${name}`, 1, [4, 16, 16, 3], 2).data, [4, 16, 16, 3]);

test("has the paper's heads, and its two augmentations", () => {
  const config = parseConfig(byolConfig, {}, 'test');
  const backbone = { depth: 18, blocks: [1, 1, 1, 1], widths: [8, 8, 8, 24] };
  const model = byolMethod.build(parseConfig(byolConfig, { backbone }, 'test'), { rng: createRng(1) });
  const heads = selectParams(model.trainable, (name) => !name.startsWith('backbone.'));
  const head = (inputs: number): number => inputs * 4096 + 2 * 4096 + 4096 * 256;
  expect(countParams(heads)).toBe(head(24) + head(256));
  expect([config.view1.blur, config.view1.solarize, config.view2.blur, config.view2.solarize]).toEqual([
    1, 0, 0.1, 0.2,
  ]);
  const changed = parseConfig(byolConfig, { view2: { flip: 0 } }, 'test');
  expect(changed.view2).toEqual({ ...config.view2, flip: 0 }); // one field alone
});

test('trains a given network, and its target begins as that', async () => {
  const config = parseConfig(byolConfig, byolMethod.presets['smoke']!.config!, 'test');
  const given = buildResnet({ ...config.backbone, isZeroInit: false }, createRng(7));
  const model = byolMethod.build(config, { rng: createRng(1), backbone: given });
  expect(model.backbone).toBe(given);
  const name = 'layer1.0.conv1.weight';
  expect(model.trainable.get(`backbone.${name}`)).toBe(given.params.get(name));
  const target = model.state.get(`target.backbone.${name}`)!;
  expect(target).not.toBe(given.params.get(name));
  expect(await target.data()).toEqual(await given.params.get(name)!.data());
  const wide = buildResnet({ ...config.backbone, widths: [8, 8, 16, 32] }, createRng(7));
  expect(() => byolMethod.build(config, { rng: createRng(1), backbone: wide })).toThrow(/differs in widths/);
});

test('the target gets no gradient, and follows by the decay of the step', async () => {
  const model = build();
  const batch = { view1: view('a'), view2: view('b') };
  const { grads, loss, dispose } = valueAndGrads(model.trainable, () => byolMethod.loss(model, batch, stepAt(0)));
  expect(grads.size).toBe(model.trainable.size);
  expect([...grads.keys()].some((name) => name.startsWith('target'))).toBe(false);
  const [value] = await loss.data();
  expect(value).toBeGreaterThan(0);
  expect(value).toBeLessThan(8);
  dispose();
  const name = 'projector.3.weight';
  const [target, online] = [model.state.get(`target.${name}`)!, model.trainable.get(name)!];
  const [[t], [o]] = [await target.data(), await online.data()];
  expect(t).not.toBe(o);
  byolMethod.afterStep!(model, batch, stepAt(4));
  const decay = byolDecay(4, 10, 0.9);
  expect((await target.data())[0]).toBeCloseTo(decay * t! + (1 - decay) * o!, 6);
});

test('swapping the views changes nothing, and nothing is left behind', async () => {
  const model = build();
  const [a, b] = [view('a'), view('b')];
  const lossOf = async (view1: Tensor, view2: Tensor): Promise<number> => {
    const { loss, dispose } = valueAndGrads(model.trainable, () => byolMethod.loss(model, { view1, view2 }, stepAt(0)));
    const [value] = await loss.data();
    dispose();
    return value!;
  };
  expect(await lossOf(a, b)).toBeCloseTo(await lossOf(b, a), 4);
  await expectNoLeak(async () => void (await lossOf(a, b)));
});
