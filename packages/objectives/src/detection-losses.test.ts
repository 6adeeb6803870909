import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { testEngine, tf } from '@unlabel/engine';
import { beforeAll, expect, test } from 'vitest';
import { focalLoss } from './focal.ts';
import { giouLoss } from './giou.ts';

const path = fileURLToPath(new URL('../fixtures/detection-losses.json', import.meta.url));
const { focal, giou } = JSON.parse(readFileSync(path, 'utf8')) as Record<'focal' | 'giou', Record<string, number[]>> & {
  focal: { loss: number };
};

beforeAll(() => testEngine());

/** float32 against torch's float64. */
function expectClose(found: ArrayLike<number>, expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs(found[i]! - value), `value ${i}`).toBeLessThanOrEqual(1e-5 + 1e-5 * Math.abs(value));
  });
}

test('the focal loss and its gradient are torchvision’s', () => {
  const targets = tf.tensor2d(focal['targets']!, [5, 3]);
  const run = tf.valueAndGrad((logits) => focalLoss(logits, targets));
  const { value, grad } = run(tf.tensor2d(focal['logits']!, [5, 3]));
  expectClose(value.dataSync(), [focal.loss]);
  expectClose(grad.dataSync(), focal['gradient']!);
});

test('the focal loss of a logit that is far off stays finite', () => {
  const loss = focalLoss(tf.tensor2d([200, -200], [1, 2]), tf.tensor2d([0, 1], [1, 2]), { alpha: 0.5 });
  expectClose(loss.dataSync(), [200]);
  expect(() => focalLoss(tf.zeros([2, 2]), tf.zeros([2, 3]))).toThrow('expected equal shapes');
});

test('the GIoU loss and its gradient are torchvision’s, of equal boxes and of boxes apart too', () => {
  const target = tf.tensor2d(giou['target']!, [8, 4]);
  const predicted = tf.tensor2d(giou['predicted']!, [8, 4]);
  expectClose(giouLoss(predicted, target).dataSync(), giou['losses']!);
  const gradient = tf
    .grad((boxes) => tf.sum(giouLoss(boxes, target)))(predicted)
    .dataSync();
  expectClose(gradient.slice(4), giou['gradient']!.slice(4)); // at equal boxes there is a kink
  expect(() => giouLoss(tf.zeros([2, 3]), tf.zeros([2, 3]))).toThrow('expected two equal [N, 4]');
});
