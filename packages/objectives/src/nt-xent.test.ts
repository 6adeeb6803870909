import { beforeAll, describe, expect, test } from 'vitest';
import { goldenTensor, type NdArray, type Tensor } from '@unlabel/core';
import { checkGradients, expectAllClose, expectNoLeak, testEngine, tf } from '@unlabel/engine';
import { ntXent } from './nt-xent.ts';
import { ntXentFloat64 } from './nt-xent-float64.ts';

beforeAll(() => testEngine());

const random = (name: string, shape: number[], scale = 1): NdArray => goldenTensor(`input:${name}`, 12, shape, scale);
const asTensor = ({ data, shape }: NdArray): Tensor => tf.tensor(data, [...shape]);

describe('ntXent', () => {
  test.each([
    [6, 20, 0.07, 1],
    [9, 5, 0.5, 2],
  ])('equals the literal implementation for %i rows of width %i at τ = %d', (rows, width, temperature, scale) => {
    const [z1, z2] = [random('z1', [rows, width], 3), random('z2', [rows, width])];
    const options = { temperature, scale };
    const expected = ntXentFloat64([Float64Array.from(z1.data), Float64Array.from(z2.data)], { rows, width }, options);
    const { value, grads } = tf.valueAndGrads((a: Tensor, b: Tensor) => ntXent(a, b, options).loss)([
      asTensor(z1),
      asTensor(z2),
    ]);
    expectAllClose(value, expected.loss, { rtol: 1e-5 });
    grads.forEach((grad, i) => {
      expectAllClose(grad, { data: expected.gradients[i]!, shape: [rows, width] }, { atol: 1e-5, rtol: 1e-4 });
    });
    const { logits } = ntXent(asTensor(z1), asTensor(z2), options);
    const between = tf.slice(logits, [0, rows], [rows, rows]);
    expectAllClose(between, { data: expected.between, shape: [rows, rows] }, { atol: 1e-5, rtol: 1e-5 });
  });

  test('is log(2B − 1) where all views are the same, less where rows differ, and does not mind their length', () => {
    const same = tf.ones([4, 8]);
    expectAllClose(ntXent(same, same, { temperature: 0.1 }).loss, Math.log(7), { rtol: 1e-5 });
    const rows = tf.eye(4);
    const apart = ntXent(rows, rows, { temperature: 0.1 }).loss;
    expect(apart.dataSync()[0]).toBeLessThan(0.01);
    expectAllClose(ntXent(tf.mul(rows, 7), rows, { temperature: 0.1 }).loss, apart, { atol: 1e-7 });
  });

  test('views and rows may change places', () => {
    const [z1, z2] = [asTensor(random('a', [5, 7])), asTensor(random('b', [5, 7]))];
    const loss = ntXent(z1, z2, { temperature: 0.2 }).loss;
    expectAllClose(ntXent(z2, z1, { temperature: 0.2 }).loss, loss, { rtol: 1e-6 });
    const order = tf.tensor1d([3, 0, 4, 1, 2], 'int32');
    const shuffled = ntXent(tf.gather(z1, order), tf.gather(z2, order), { temperature: 0.2 }).loss;
    expectAllClose(shuffled, loss, { rtol: 1e-6 });
  });

  test('has the gradient that differences show, and leaves nothing behind', async () => {
    const [z1, z2] = [random('c', [4, 6]), random('d', [4, 6])];
    await checkGradients((a, b) => ntXent(a, b, { temperature: 0.5 }).loss, [z1, z2]);
    const [a, b] = [asTensor(z1), asTensor(z2)];
    await expectNoLeak(() => tf.tidy(() => void tf.grad((x: Tensor) => ntXent(x, b, { temperature: 0.5 }).loss)(a)));
  });

  test('refuses views of different shape and a temperature of 0', () => {
    expect(() => ntXent(tf.zeros([2, 3]), tf.zeros([3, 3]), { temperature: 1 })).toThrow(/\[2, 3\] and \[3, 3\]/);
    expect(() => ntXent(tf.zeros([2, 3]), tf.zeros([2, 3]), { temperature: 0 })).toThrow(/temperature 0/);
  });
});
