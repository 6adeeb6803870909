import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, goldenTensor, parseConfig, type Batch, type NdArray, type Step } from '@unlabel/core';
import {
  countParams,
  expectAllClose,
  expectNoLeak,
  selectParams,
  testEngine,
  tf,
  toArrays,
  valueAndGrads,
} from '@unlabel/engine';
import { fromMoco, moco, mocoConfig, mocoTerms, type Moco } from './moco.ts';

beforeAll(() => testEngine());

const rows = 8;
const build = (overrides: object = {}): Moco =>
  moco.build(parseConfig(mocoConfig, { ...moco.presets['smoke']!.config, queueSize: 16, ...overrides }, 'test'), {
    rng: createRng(1),
  });
const stepAt = (index: number): Step => ({ index, total: 10, epoch: 0, rng: createRng(index) });
const image = (name: string): NdArray => goldenTensor(`input:${name}`, 1, [rows, 16, 16, 3], 2);
const batchOf = (): Batch => ({
  view1: tf.tensor(image('view1').data, [rows, 16, 16, 3]),
  view2: tf.tensor(image('view2').data, [rows, 16, 16, 3]),
});

const narrow = { depth: 18, blocks: [1, 1, 1, 1], widths: [8, 8, 8, 24] };

test("has the paper's head: two layers with biases, as wide as the backbone", () => {
  const model = moco.build(parseConfig(mocoConfig, { queueSize: 256, backbone: narrow }, 'test'), {
    rng: createRng(1),
  });
  const head = selectParams(model.trainable, (name) => name.startsWith('head.'));
  expect(countParams(head)).toBe(24 * 24 + 24 + 24 * 128 + 128);
  expect(parseConfig(mocoConfig, {}, 'test').backbone).toMatchObject({
    depth: 50,
    widths: [64, 128, 256, 512],
    stem: 'large',
  });
});

describe('shuffled batch norm', () => {
  test('gives every key back to its own row', async () => {
    // one row a group: nobody has neighbours, so that dealing the rows anew changes nothing if they come back
    const [dealt, plain] = [build({ statisticsGroups: rows }), build({ statisticsGroups: rows })];
    const keys = tf.tidy(() => mocoTerms(dealt, batchOf(), stepAt(3)).keys);
    const straight = tf.tidy(() => {
      const { clip } = plain.key.backbone.forward(batchOf()['view2']!, { training: true, groups: rows });
      const z = plain.key.head.forward(clip, { training: true });
      return tf.div(z, tf.norm(z, 'euclidean', 1, true));
    });
    expectAllClose(keys, straight, { atol: 1e-5 });
  });

  test('normalises keys among others than their queries', async () => {
    const [a, b] = [1, 2].map((seed) => {
      return tf.tidy(() => mocoTerms(build(), batchOf(), { rng: createRng(seed) }).keys);
    });
    expect(await a!.data()).not.toEqual(await b!.data()); // another deal, other neighbours
    const whole = [1, 2].map((seed) => {
      return tf.tidy(() => mocoTerms(build({ statisticsGroups: 1 }), batchOf(), { rng: createRng(seed) }).keys);
    });
    expect(await whole[0]!.data()).toEqual(await whole[1]!.data());
  });
});

test('a step moves the key network first, gives it no gradient, and leaves its keys in the queue', async () => {
  const model = build();
  const { query, key, queue, config } = model;
  tf.tidy(() => key.head.params.get('0.bias')!.assign(tf.fill([16], 2)));
  const [q] = await query.head.params.get('0.bias')!.data();
  moco.beforeStep!(model, stepAt(0));
  const [k] = await key.head.params.get('0.bias')!.data();
  expect(k).toBeCloseTo(config.keyMomentum * 2 + (1 - config.keyMomentum) * q!, 6);

  const before = await queue.data<'float32'>();
  const batch = batchOf();
  for (const index of [0, 1, 2]) {
    const { grads, dispose } = valueAndGrads(model.trainable, () => moco.loss(model, batch, stepAt(index)));
    expect([...grads.keys()].every((name) => /^(backbone|head)\./.test(name))).toBe(true);
    expect(grads.size).toBe(model.trainable.size);
    const keys = await tf.transpose(model.pending.keys!).data<'float32'>();
    moco.afterStep!(model, batch, stepAt(index));
    dispose();
    const after = await queue.data<'float32'>();
    const at = (index * rows) % 16;
    for (let c = 0; c < 16; c++) {
      expect(after.slice(c * 16 + at, c * 16 + at + rows)).toEqual(keys.slice(c * rows, (c + 1) * rows));
      if (index === 0) expect(after.slice(c * 16 + rows, (c + 1) * 16)).toEqual(before.slice(c * 16 + rows, (c + 1) * 16)); // prettier-ignore
    }
  }
});

test('keeps nothing but its variables', async () => {
  const model = build();
  const batch = batchOf();
  await expectNoLeak(async () => {
    const { dispose } = valueAndGrads(model.trainable, () => moco.loss(model, batch, stepAt(0)));
    moco.afterStep!(model, batch, stepAt(0));
    dispose();
    await Promise.resolve();
  });
});

test('views are two random crops of one image, the same for the same draws', async () => {
  const views = moco.views(parseConfig(mocoConfig, { imageSize: 24 }, 'test'));
  const context = { rng: createRng(5), position: 0, recent: () => Promise.resolve(undefined) };
  const sample = { image: { data: goldenTensor('input:x', 1, [40, 32, 3], 0.5).data.map((v) => v + 0.5), shape: [40, 32, 3] } }; // prettier-ignore
  const { view1, view2 } = await views(sample, context);
  expect([view1!.shape, view2!.shape]).toEqual([[24, 24, 3], [24, 24, 3]]); // prettier-ignore
  expect(view1!.data).not.toEqual(view2!.data);
  expect(await views(sample, { ...context, rng: createRng(5) })).toEqual({ view1, view2 });
  expect(() => views({ audio: image('x') }, context)).toThrow(/has audio; expected image/);
});

test('a queue that batches do not fill is refused', () => {
  expect(() => tf.tidy(() => mocoTerms(build({ queueSize: 20 }), batchOf(), stepAt(0)).loss)).toThrow(/multiple/);
});

test('knows the official names, and every parameter of the model has one', async () => {
  const model = build();
  const official = ['encoder_q.conv1.weight', 'encoder_k.layer4.0.bn2.running_var', 'encoder_q.fc.2.bias', 'queue'];
  const ours = official.map((name) => fromMoco(name));
  const held = { ...(await toArrays(model.trainable)), ...(await toArrays(model.state)) };
  for (const name of ours) expect(Object.keys(held)).toContain(name);
  expect(fromMoco('queue_ptr')).toBeUndefined();
});
