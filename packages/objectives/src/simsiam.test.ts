import { beforeAll, describe, expect, test } from 'vitest';
import { goldenTensor, type Tensor } from '@unlabel/core';
import { expectAllClose, testEngine, tf } from '@unlabel/engine';
import { binaryCrossEntropy } from './binary-cross-entropy.ts';
import { simSiam } from './simsiam.ts';

beforeAll(() => testEngine());

const random = (name: string, shape: number[], scale = 1): Tensor =>
  tf.tensor(goldenTensor(`input:${name}`, 13, shape, scale).data, shape);

describe('simSiam', () => {
  const inputs = (): [Tensor, Tensor, Tensor, Tensor] => [
    random('p1', [4, 6]),
    random('p2', [4, 6]),
    random('z1', [4, 6], 2),
    random('z2', [4, 6], 2),
  ];

  test('is minus the mean cosine: −1 for predictions along the other view, 1 against it', () => {
    const [, , z1, z2] = inputs();
    const along = (factor: number): Tensor => simSiam({ p1: tf.mul(z2, factor), p2: tf.mul(z1, factor), z1, z2 });
    expectAllClose(along(5), -1, { atol: 1e-5 });
    expectAllClose(along(-1), 1, { atol: 1e-5 });
  });

  test('moves predictions only: the projections get no gradient', () => {
    const [p1, p2, z1, z2] = inputs();
    const grads = tf.grads((a: Tensor, b: Tensor, c: Tensor, d: Tensor) => {
      const untouched = tf.mul(tf.add(tf.sum(c), tf.sum(d)), 0);
      return tf.add(simSiam({ p1: a, p2: b, z1: c, z2: d }), untouched);
    })([p1, p2, z1, z2]);
    const sizes = grads.map((grad) => tf.sum(tf.abs(grad)).dataSync()[0]!);
    expect(sizes[0]).toBeGreaterThan(0.01);
    expect(sizes[1]).toBeGreaterThan(0.01);
    expect(sizes.slice(2)).toEqual([0, 0]);
  });

  test('refuses shapes that differ', () => {
    const [p1, p2, z1] = inputs();
    expect(() => simSiam({ p1, p2, z1, z2: tf.zeros([4, 5]) })).toThrow(/\[4, 5\]/);
  });
});

describe('binaryCrossEntropy', () => {
  test('is the mean of −log p over the right answers, and finite for logits of any size', () => {
    const logits = [2, -1, 0.5, -3];
    const labels = [1, 0, 0, 1];
    const expected = logits.map((x, i) => -Math.log(1 / (1 + Math.exp(labels[i] === 1 ? -x : x))));
    expectAllClose(
      binaryCrossEntropy(tf.tensor(logits, [2, 2]), tf.tensor(labels, [2, 2])),
      expected.reduce((sum, x) => sum + x / 4, 0),
      { rtol: 1e-5 },
    );
    expectAllClose(binaryCrossEntropy(tf.tensor([500, -500]), tf.tensor([0, 0])), 250, { rtol: 1e-6 });
  });

  test('its gradient is (sigmoid(x) − y)/n', () => {
    const x = tf.tensor([0.3, -2, 4]);
    const y = tf.tensor([1, 0, 0]);
    const grad = tf.grad((logits: Tensor) => binaryCrossEntropy(logits, y))(x);
    expectAllClose(grad, tf.div(tf.sub(tf.sigmoid(x), y), 3), { atol: 1e-6 });
  });

  test('refuses shapes that differ', () => {
    expect(() => binaryCrossEntropy(tf.zeros([2, 7]), tf.zeros([7]))).toThrow(/\[2, 7\], labels \[7\]/);
  });
});
