import { beforeAll, expect, test } from 'vitest';
import { goldenTensor, type Tensor } from '@unlabel/core';
import { expectAllClose, testEngine, tf } from '@unlabel/engine';
import { labelAccuracy, labelCrossEntropy } from './label-cross-entropy.ts';

beforeAll(() => testEngine());

const { data, shape } = goldenTensor('input:logits', 23, [5, 7], 4);
const labels = [3, 0, 6, 2, 2];
const tensors = () => [tf.tensor(data, [...shape]), tf.tensor1d(labels, 'int32')] as const;

/** The definition in float64, and its gradient. */
function literal(smoothing: number): { loss: number; gradient: number[] } {
  let loss = 0;
  const gradient: number[] = [];
  labels.forEach((label, r) => {
    const row = Array.from(data.subarray(r * 7, r * 7 + 7), Number);
    const sum = row.reduce((total, x) => total + Math.exp(x), 0);
    row.forEach((x, c) => {
      const target = (c === label ? 1 - smoothing : 0) + smoothing / 7;
      loss -= (target * (x - Math.log(sum))) / 5;
      gradient.push((Math.exp(x) / sum - target) / 5);
    });
  });
  return { loss, gradient };
}

test.each([0, 0.1])('with smoothing %d has the value and gradient of its definition', (smoothing) => {
  const [logits, known] = tensors();
  const { loss, gradient } = literal(smoothing);
  const { value, grad } = tf.valueAndGrad((x: Tensor) => labelCrossEntropy(x, known, { smoothing }))(logits);
  expectAllClose(value, loss, { rtol: 1e-6 });
  expectAllClose(grad, tf.tensor(gradient, [5, 7]), { atol: 1e-7, rtol: 1e-5 });
});

test('torch’s own values of the same', () => {
  // torch 2.15.0: F.cross_entropy(x, y, label_smoothing=ε), x[r][c] = sin(3r + c), y = [0, 2, 1]
  const x = tf.tensor2d(Array.from({ length: 3 }, (_, r) => Array.from({ length: 4 }, (__, c) => Math.sin(3 * r + c))));
  const y = tf.tensor1d([0, 2, 1], 'int32');
  expectAllClose(labelCrossEntropy(x, y), 1.7286237, { rtol: 1e-6 });
  expectAllClose(labelCrossEntropy(x, y, { smoothing: 0.1 }), 1.7034181, { rtol: 1e-6 });
});

test('accuracy counts rows whose largest logit is the label’s', () => {
  expectAllClose(labelAccuracy(tf.tensor2d([[1, 2], [3, 0], [0, 1], [5, 4]]), tf.tensor1d([1, 0, 0, 0], 'int32')), 0.75, { atol: 0 }); // prettier-ignore
});

test('refuses shapes that do not fit', () => {
  expect(() => labelCrossEntropy(tf.zeros([3, 2]), tf.zeros([2], 'int32'))).toThrow('[3, 2] and labels [2]');
});
