import { beforeAll, describe, expect, test } from 'vitest';
import { goldenTensor, type NdArray, type Tensor } from '@unlabel/core';
import { checkGradients, expectAllClose, expectNoLeak, testEngine, tf } from '@unlabel/engine';
import { byol, byolDecay, byolTerm, directionSpread } from './byol.ts';
import { byolFloat64 } from './byol-float64.ts';

beforeAll(() => testEngine());

const random = (name: string, shape: number[]): NdArray => goldenTensor(`input:${name}`, 13, shape, 1);
const asTensor = ({ data, shape }: NdArray): Tensor => tf.tensor(data, [...shape]);

describe('byol', () => {
  const [p1, p2, z1, z2] = ['p1', 'p2', 'z1', 'z2'].map((name) => random(name, [7, 12])) as NdArray[];

  test('equals the literal implementation, gradients included, and none flows into the targets', () => {
    const wide = (x: NdArray | undefined) => Float64Array.from(x!.data);
    const expected = byolFloat64({ p1: wide(p1), p2: wide(p2), z1: wide(z1), z2: wide(z2) }, 7, 12);
    const { value, grads } = tf.valueAndGrads((a: Tensor, b: Tensor, c: Tensor, d: Tensor) =>
      // a term of its own keeps the targets on the tape, whose gradient would otherwise be an error
      tf.add(byol({ p1: a, p2: b, z1: c, z2: d }), tf.mul(tf.sum(tf.add(c, d)), 0)),
    )([p1, p2, z1, z2].map((x) => asTensor(x!)));
    expectAllClose(value, expected.loss, { rtol: 1e-6 });
    expectAllClose(grads[0]!, { data: expected.gradients.p1, shape: [7, 12] }, { atol: 1e-6 });
    expectAllClose(grads[1]!, { data: expected.gradients.p2, shape: [7, 12] }, { atol: 1e-6 });
    for (const grad of grads.slice(2)) expectAllClose(grad, tf.zeros([7, 12]), { atol: 0 });
  });

  test('is 0 for predictions along their targets, 8 against them, whatever their lengths', () => {
    const [a, b] = [asTensor(z1!), asTensor(z2!)];
    expectAllClose(byol({ p1: tf.mul(b, 3), p2: tf.mul(a, 0.1), z1: a, z2: b }), 0, { atol: 1e-6 });
    expectAllClose(byol({ p1: tf.neg(b), p2: tf.neg(a), z1: a, z2: b }), 8, { rtol: 1e-6 });
  });

  test('has the gradient that differences show', async () => {
    const target = asTensor(z1!);
    await checkGradients((x) => byolTerm(x, target), [p1!]);
  });

  test('frees what it makes and refuses shapes that differ', async () => {
    const [a, b] = [asTensor(p1!), asTensor(z1!)];
    await expectNoLeak(() => tf.tidy(() => void tf.grad((x: Tensor) => byolTerm(x, b))(a)));
    expect(() => byolTerm(a, tf.zeros([7, 11]))).toThrow(/\[7, 12\].*\[7, 11\]/);
  });
});

describe('the decay of the target', () => {
  // linspace of the authors' schedules: audiossl's cosine_scheduler(0.99, 1, 39010) at these steps
  test.each([
    [0, 0.99],
    [649, 0.9900068277620958],
    [19505, 0.995],
    [39009, 0.9999999999837861],
  ])('after %i of 39010 steps is %f', (index, expected) => {
    expect(byolDecay(index, 39010, 0.99)).toBeCloseTo(expected, 13);
  });

  test('ends at 1 and stays there', () => {
    expect(byolDecay(10, 10, 0.5)).toBe(1);
    expect(byolDecay(12, 10, 0.5)).toBe(1);
  });
});

describe('the spread of directions', () => {
  test('is 0 for rows that point the same way and 1/√D for many that point anywhere', () => {
    expectAllClose(directionSpread(tf.tensor2d([1, 2, 2, 4, 3, 6], [3, 2])), 0, { atol: 1e-6 });
    expectAllClose(directionSpread(asTensor(random('many', [2000, 16]))), 0.25, { atol: 0.005 });
  });
});
