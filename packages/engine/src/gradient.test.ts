import { beforeAll, expect, test } from 'vitest';
import { createRng, type Scalar, type Tensor, type Variable } from '@unlabel/core';
import { tf } from './backend.ts';
import { emaUpdate } from './ema.ts';
import { accumulateGrads, valueAndGrads } from './gradient.ts';
import { plus, scaleRows } from './ops/plus.ts';
import { parameter } from './params.ts';
import { expectAllClose, expectNoLeak, testEngine } from './testing.ts';

beforeAll(() => testEngine());

const draw = (label: string, shape: readonly number[]) => {
  const rng = createRng(3).fork(label);
  return { data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()), shape };
};
const tensor = (label: string, shape: number[]): Tensor => tf.tensor(draw(label, shape).data, shape);
const variables = () => new Map<string, Variable>(['a', 'b'].map((name) => [name, parameter(draw(name, [4, 4]))]));

/** Uses a parameter twice, an output twice, a gradient that is handed on, a branch that leads nowhere. */
const loss = (params: Map<string, Variable>, x: Tensor) => () => {
  const [a, b] = [params.get('a')!, params.get('b')!];
  const h = tf.tanh(tf.matMul(x as never, a as never));
  const dead = tf.mul(tf.sum(tf.square(b)), 0);
  const sum = plus(scaleRows(h, tf.tensor1d([1, 0, 2, 1])), tf.matMul(h as never, b as never));
  return { loss: tf.mean(tf.square(tf.matMul(sum as never, a as never))) as Scalar, logs: { dead: dead as Scalar } };
};

test('gradients are those of TensorFlow.js, and nothing is left behind', async () => {
  const params = variables();
  const x = tensor('x', [4, 4]);
  const found = valueAndGrads(params, loss(params, x));
  const expected = tf.variableGrads(() => loss(params, x)().loss, [...params.values()]);
  expectAllClose(found.loss, expected.value, { rtol: 1e-6 });
  for (const [name, variable] of params)
    expectAllClose(found.grads.get(name)!, expected.grads[variable.name]!, { atol: 1e-6 });
  found.dispose();
  tf.dispose([expected.value, ...Object.values(expected.grads)]);
  await expectNoLeak(() => valueAndGrads(params, loss(params, x)).dispose());
});

test('on the way back memory only falls', () => {
  const params = new Map(Array.from({ length: 12 }, (_, i) => [`w${i}`, parameter(draw(`w${i}`, [64, 64]))] as const));
  const x = tensor('deep', [64, 64]);
  const seen: number[] = [];
  const watched = (h: Tensor): Tensor => {
    const run = tf.customGrad((...args) => {
      const gradFunc = (dy: Tensor) => (seen.push(tf.memory().numTensors), tf.clone(dy));
      return { value: tf.clone(args[0] as Tensor), gradFunc };
    });
    return run(h);
  };
  const { dispose } = valueAndGrads(params, () => {
    const y = [...params.values()].reduce<Tensor>(
      (h, w) => watched(tf.tidy(() => tf.tanh(tf.matMul(h as never, w as never)))),
      x,
    );
    return { loss: tf.mean(y) as Scalar, logs: {} };
  });
  dispose();
  expect(seen).toHaveLength(12);
  for (let i = 1; i < seen.length; i++) expect(seen[i]!).toBeLessThan(seen[i - 1]!);
});

test('a loss that no parameter reaches is named', () => {
  const params = variables();
  expect(() => valueAndGrads(params, () => ({ loss: tf.scalar(1), logs: {} }))).toThrow(/any of 2 trainable/);
});

test('gradients of halves of a batch add up to those of the batch', async () => {
  const params = variables();
  const x = tensor('batch', [8, 4]);
  const mean = (rows: Tensor) => () => ({
    loss: tf.mean(tf.square(tf.matMul(rows as never, params.get('a')! as never))) as Scalar,
    logs: {},
  });
  const whole = valueAndGrads(params, mean(x));
  const gather = () => {
    let total: Map<string, Tensor> | undefined;
    for (const half of tf.split(x, 2)) {
      const { grads, loss: value } = valueAndGrads(params, mean(half));
      value.dispose();
      half.dispose();
      total = accumulateGrads(total, grads, 0.5);
    }
    return total!;
  };
  const sums = gather();
  expectAllClose(sums.get('a')!, whole.grads.get('a')!, { atol: 1e-6 });
  tf.dispose([...sums.values()]);
  await expectNoLeak(() => tf.dispose([...gather().values()]));
});

test('an average moves every parameter of a tree by its share', () => {
  const [target, online] = [variables(), new Map([...variables()].toReversed())];
  const before = target.get('a')!.dataSync<'float32'>().slice();
  tf.tidy(() => online.get('a')!.assign(tensor('new', [4, 4]) as never));
  emaUpdate(target, online, 0.9);
  const next = online.get('a')!.dataSync<'float32'>();
  const expected = Float32Array.from(before, (v, i) => 0.9 * v + 0.1 * next[i]!);
  expectAllClose(target.get('a')!, { data: expected, shape: [4, 4] }, { atol: 1e-6 });
  expect(() => emaUpdate(target, new Map(), 0.9)).toThrow(/no parameter a/);
});
