import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import type { Tensor } from '@unlabel/core';
import { expectAllClose, expectNoLeak, testEngine, tf } from '@unlabel/engine';
import { contrastiveDistillation, euclideanDistillation } from './distillation.ts';

beforeAll(() => testEngine());

interface Case {
  readonly loss: number;
  readonly grad: readonly number[][];
}
const fixture = JSON.parse(readFileSync(new URL('../fixtures/distillation.json', import.meta.url), 'utf8')) as Record<
  'f' | 'frozen',
  number[][]
> &
  Record<string, Case>; // made by tools/fixtures/distillation.py
const [f, frozen] = [() => tf.tensor2d(fixture.f), () => tf.tensor2d(fixture.frozen)];

test.each([
  ['euclidean', euclideanDistillation],
  ['contrastive 0.1', (a: Tensor, b: Tensor) => contrastiveDistillation(a, b, 0.1)],
  ['contrastive 0.2', (a: Tensor, b: Tensor) => contrastiveDistillation(a, b, 0.2)],
])("%s equals torch's value and gradient", (name, distance) => {
  const target = frozen();
  const { value, grad } = tf.valueAndGrad((x: Tensor) => distance(x, target))(f());
  const expected = fixture[name] as Case;
  expectAllClose(value, expected.loss, { rtol: 2e-6 });
  expectAllClose(grad, { data: Float32Array.from(expected.grad.flat()), shape: [6, 5] }, { atol: 1e-6, rtol: 1e-5 });
});

test('both are least for the frozen features themselves, whatever their length', () => {
  const target = frozen();
  expectAllClose(euclideanDistillation(tf.mul(target, 3), target), 0, { atol: 1e-6 });
  expectAllClose(euclideanDistillation(tf.neg(target), target), 4, { rtol: 1e-6 });
  const own = contrastiveDistillation(tf.mul(target, 3), target, 0.1).dataSync()[0]!;
  expect(own).toBeLessThan(contrastiveDistillation(f(), target, 0.1).dataSync()[0]!);
});

test('free what they make, and refuse other shapes and temperatures', async () => {
  const [a, b] = [f(), frozen()];
  await expectNoLeak(() => tf.tidy(() => void contrastiveDistillation(a, b, 0.1)));
  await expectNoLeak(() => tf.tidy(() => void euclideanDistillation(a, b)));
  expect(() => euclideanDistillation(a, tf.zeros([6, 4]))).toThrow(/\[6, 5\] and \[6, 4\]/);
  expect(() => contrastiveDistillation(a, b, 0)).toThrow(/temperature 0/);
});
