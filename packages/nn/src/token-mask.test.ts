import { beforeAll, expect, test } from 'vitest';
import { createRng, goldenTensor, type Tensor } from '@unlabel/core';
import { expectAllClose, testEngine, tf } from '@unlabel/engine';
import { randomMask, restoreTokens, takeVisible } from './token-mask.ts';

beforeAll(() => testEngine());

const [rows, tokens, width] = [3, 8, 2];
const mask = () => randomMask({ rows, tokens, ratio: 0.75 }, createRng(5));
const random = (name: string, shape: number[]): Tensor =>
  tf.tensor(goldenTensor(`input:${name}`, 3, shape, 1).data, shape);

test('a mask leaves the same number of tokens in each row, in ascending order, and rows differ', () => {
  const { visible, masked, visiblePerRow } = mask();
  expect(visiblePerRow).toBe(2);
  expect([...visible, ...masked].toSorted((a, b) => a - b)).toEqual(Array.from({ length: rows * tokens }, (_, i) => i));
  expect([...visible]).toEqual([...visible].toSorted((a, b) => a - b));
  const many = randomMask({ rows: 2000, tokens, ratio: 0.75 }, createRng(1));
  const share = Array.from(
    { length: tokens },
    (_, n) => [...many.visible].filter((i) => i % tokens === n).length / 2000,
  );
  for (const one of share) expect(Math.abs(one - 0.25)).toBeLessThan(0.04); // four deviations
  expect(randomMask({ rows: 1, tokens: 496, ratio: 0.75 }, createRng(1)).visiblePerRow).toBe(124);
  expect(() => randomMask({ rows, tokens, ratio: 1 }, createRng(1))).toThrow('ratio 1');
});

test('tokens that are taken and restored stand where they were, the filler elsewhere', async () => {
  const one = mask();
  const x = random('x', [rows, tokens, width]);
  const filler = tf.tensor1d([7, 8]);
  const values = await restoreTokens(takeVisible(x, one), filler, one).data();
  const held = await x.data();
  const isVisible = new Set(one.visible);
  for (let i = 0; i < rows * tokens; i++)
    for (let d = 0; d < width; d++) expect(values[i * width + d]).toBe(isVisible.has(i) ? held[i * width + d] : 7 + d);
});

test('gradients reach the visible tokens and the filler, as those of a product with a permutation do', () => {
  const one = mask();
  const probe = random('probe', [rows, tokens, width]);
  const x = random('x', [rows, tokens, width]);
  const [dx, dFiller] = tf.grads((h: Tensor, filler: Tensor) =>
    tf.sum(tf.mul(restoreTokens(takeVisible(h, one), filler, one), probe)),
  )([x, tf.tensor1d([1, 2])]);
  const isVisible = Float32Array.from({ length: rows * tokens }, (_, i) => Number(one.visible.includes(i)));
  const seen = tf.tensor3d(isVisible, [rows, tokens, 1]);
  expectAllClose(dx!, tf.mul(probe, seen), { atol: 1e-7 });
  expectAllClose(dFiller!, tf.sum(tf.mul(probe, tf.sub(1, seen)), [0, 1]), { atol: 1e-6 });
});
