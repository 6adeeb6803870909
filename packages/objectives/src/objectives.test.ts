import { beforeAll, describe, expect, test } from 'vitest';
import { goldenTensor, type NdArray, type Scalar, type Tensor } from '@unlabel/core';
import { checkGradients, expectAllClose, expectNoLeak, testEngine, tf } from '@unlabel/engine';
import { batchNorm } from '@unlabel/nn';
import { barlowTwins } from './barlow-twins.ts';
import { barlowTwinsFloat64 } from './barlow-twins-float64.ts';
import { infoNce, unitRows } from './info-nce.ts';

beforeAll(() => testEngine());

const random = (name: string, shape: number[], scale = 1): NdArray => goldenTensor(`input:${name}`, 11, shape, scale);
const asTensor = ({ data, shape }: NdArray): Tensor => tf.tensor(data, [...shape]);
const normalize = (z: Tensor): Tensor => batchNorm(z.shape[1]!, { isAffine: false }).forward(z, { training: true });

describe('barlowTwins', () => {
  const options = { lambdaOn: 0.7, lambdaOff: 0.02, scale: 0.5 };

  // Gram matrices below as many rows as columns, the correlation matrix from there on
  test.each([
    [6, 20],
    [20, 20],
    [40, 12],
  ])('equals the literal implementation for %i rows of width %i, gradients included', (rows, width) => {
    const [z1, z2] = [random('z1', [rows, width]), random('z2', [rows, width])];
    const expected = barlowTwinsFloat64(
      [Float64Array.from(z1.data), Float64Array.from(z2.data)],
      { rows, width },
      options,
    );
    const { value, grads } = tf.valueAndGrads((a: Tensor, b: Tensor) => {
      const { loss, on, off } = barlowTwins(normalize(a), normalize(b), options);
      expectAllClose(on, expected.on, { rtol: 1e-5 });
      expectAllClose(off, expected.off, { rtol: 1e-5 });
      return loss;
    })([asTensor(z1), asTensor(z2)]);
    expectAllClose(value, expected.loss, { rtol: 1e-5 });
    grads.forEach((grad, i) => {
      expectAllClose(grad, { data: expected.gradients[i]!, shape: [rows, width] }, { atol: 1e-5, rtol: 1e-4 });
    });
  });

  test('is symmetric in its views and zero in its diagonal term for equal ones', () => {
    const [n1, n2] = [normalize(asTensor(random('a', [8, 5]))), normalize(asTensor(random('b', [8, 5])))];
    const there = barlowTwins(n1, n2, options);
    expectAllClose(barlowTwins(n2, n1, options).loss, there.loss, { rtol: 1e-6 });
    expectAllClose(barlowTwins(n1, n1, options).on, 0, { atol: 1e-6 });
  });

  test('frees what it makes', async () => {
    const z = asTensor(random('z', [4, 9]));
    await expectNoLeak(() => tf.tidy(() => void tf.grad((x: Tensor) => barlowTwins(x, z, options).loss)(z)));
  });

  test('refuses views of different shape', () => {
    expect(() => barlowTwins(tf.zeros([2, 3]), tf.zeros([2, 4]), options)).toThrow(/\[2, 3\] and \[2, 4\]/);
  });
});

describe('infoNce', () => {
  const [q, k, queue] = [random('q', [4, 6]), random('k', [4, 6]), random('queue', [6, 10])];

  test('is the cross entropy of the positive among the queue', () => {
    const { loss, logits } = infoNce({ q: asTensor(q), k: asTensor(k), queue: asTensor(queue), temperature: 0.5 });
    let expected = 0;
    for (let b = 0; b < 4; b++) {
      const dot = (other: (i: number) => number) =>
        Array.from({ length: 6 }, (_, i) => q.data[b * 6 + i]! * other(i)).reduce((x, y) => x + y, 0) / 0.5;
      const row = [
        dot((i) => k.data[b * 6 + i]!),
        ...Array.from({ length: 10 }, (_, j) => dot((i) => queue.data[i * 10 + j]!)),
      ];
      expected += Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[0]!;
    }
    expectAllClose(loss, expected / 4, { rtol: 1e-5 });
    expect(logits.shape).toEqual([4, 11]);
  });

  test('has the gradient that differences show, through the normalisation too', async () => {
    const [keys, negatives] = [asTensor(k), asTensor(queue)];
    await checkGradients(
      (x) => infoNce({ q: unitRows(x), k: keys, queue: negatives, temperature: 0.5 }).loss as Scalar,
      [q],
    );
  });

  test('normalises rows and leaves a zero row at zero', () => {
    expectAllClose(unitRows(tf.tensor([3, 4, 0, 0], [2, 2])), tf.tensor([0.6, 0.8, 0, 0], [2, 2]), { atol: 1e-6 });
  });
});
