import { beforeAll, expect, test } from 'vitest';
import { createRng, goldenTensor, parseConfig, type Batch, type Step } from '@unlabel/core';
import { expectAllClose, expectNoLeak, testEngine, tf, valueAndGrads } from '@unlabel/engine';
import { unitRows } from '@unlabel/objectives';
import { correspondence, densecl, denseclConfig, denseclTerms, fromDensecl, type Densecl } from './densecl.ts';

beforeAll(() => testEngine());

const rows = 8;
const build = (overrides: object = {}): Densecl =>
  densecl.build(parseConfig(denseclConfig, { ...densecl.presets['smoke']!.config, ...overrides }, 'test'), {
    rng: createRng(1),
  });
const stepAt = (index: number): Step => ({ index, total: 10, epoch: 0, rng: createRng(index) });
const batchOf = (): Batch =>
  Object.fromEntries(
    ['view1', 'view2'].map((name) => {
      const { data, shape } = goldenTensor(`input:${name}`, 1, [rows, 16, 16, 3], 2);
      return [name, tf.tensor(data, [...shape])];
    }),
  );

test('cells are matched with the nearest cell of their own image', async () => {
  const features = unitRows(tf.tensor(goldenTensor('input:f', 1, [3, 5, 7], 1).data, [3, 5, 7]));
  const order = [4, 2, 0, 1, 3];
  const moved = tf.gather(features, tf.tensor1d(order, 'int32'), 1); // cell j of the moved map is cell order[j]
  const found = await correspondence(features, moved).data();
  expect([...found]).toEqual([0, 1, 2].flatMap((b) => [0, 1, 2, 3, 4].map((cell) => 5 * b + order.indexOf(cell))));
});

test('both terms reach their own heads; before `denseFrom` the dense one does not count', async () => {
  const model = build({ denseFrom: 3 });
  const batch = batchOf();
  const norm = async (index: number, name: string): Promise<number> => {
    const { grads, dispose } = valueAndGrads(model.trainable, () => densecl.loss(model, batch, stepAt(index)));
    const grad = grads.get(name);
    const size = grad ? (await tf.norm(grad).data())[0]! : 0;
    dispose();
    return size;
  };
  expect(await norm(0, 'mlp2.2.weight')).toBe(0);
  expect(await norm(3, 'mlp2.2.weight')).toBeGreaterThan(0);
  expect(await norm(3, 'mlp.2.weight')).toBeGreaterThan(0);
});

test('a step fills both queues with what shuffled batch norm gave back to its rows, and leaves nothing behind', async () => {
  const model = build({ statisticsGroups: rows, queueSize: 16 }); // one row a group: the deal must not matter
  const batch = batchOf();
  const plain = build({ statisticsGroups: rows, queueSize: 16 });
  const [a, b] = [model, plain].map((one, i) => {
    return tf.tidy(() => {
      const { keys, denseKeys, dense } = denseclTerms(one, batch, { rng: createRng(i) });
      return { keys, denseKeys, dense };
    });
  });
  expectAllClose(a!.keys, b!.keys, { atol: 1e-5 });
  expectAllClose(a!.dense, b!.dense, { atol: 1e-5 });
  await expectNoLeak(async () => {
    const { dispose } = valueAndGrads(model.trainable, () => densecl.loss(model, batch, stepAt(1)));
    densecl.afterStep!(model, batch, stepAt(1));
    dispose();
    await Promise.resolve();
  });
  const stored = tf.transpose(tf.slice(model.denseQueue, [0, rows], [-1, rows]));
  expectAllClose(tf.norm(stored, 'euclidean', 1), tf.ones([rows]), { atol: 1e-5 });
});

test('knows the official names', () => {
  expect(fromDensecl('encoder_q.0.layer1.0.conv1.weight')).toBe('backbone.layer1.0.conv1.weight');
  expect(fromDensecl('encoder_k.1.mlp2.2.bias')).toBe('key.mlp2.2.bias');
  expect(fromDensecl('queue2')).toBe('queue2');
  expect(fromDensecl('queue2_ptr')).toBeUndefined();
});
