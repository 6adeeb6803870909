import { expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { createOrder } from './order.ts';

test('every epoch visits every item once, in an order of its own', () => {
  const order = createOrder(createRng(1), 7);
  const epoch = (e: number): number[] => Array.from({ length: 7 }, (_, i) => order.itemAt(e * 7 + i));
  for (let e = 0; e < 6; e++) expect([...epoch(e)].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(epoch(0)).not.toEqual(epoch(1));
});

test('a position gives the same item and draws whatever was asked before', () => {
  const forward = createOrder(createRng(1), 50);
  const seen = Array.from({ length: 1000 }, (_, p) => [forward.itemAt(p), forward.rngAt(p).uniform()]);
  const fresh = createOrder(createRng(1), 50);
  for (const p of [999, 0, 500, 499, 3]) expect([fresh.itemAt(p), fresh.rngAt(p).uniform()]).toEqual(seen[p]);
});
