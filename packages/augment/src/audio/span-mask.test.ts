import { createRng } from '@unlabel/core';
import { describe, expect, test } from 'vitest';
import { spanMask } from './span-mask.ts';

const atst = { probability: 0.65, span: 5 };
const share = (mask: Uint8Array): number => mask.reduce((sum, x) => sum + x, 0) / mask.length;

describe('span mask', () => {
  test('of ATST-Frame hides half of 250 patches, not the 65 % its probability says', () => {
    const rng = createRng(1);
    const shares = Array.from({ length: 2000 }, (_, i) => share(spanMask(250, atst, rng.fork(i))));
    // 50.3 % of the authors' masks; 32 or 33 spans of 5 hide 33 (all overlapping) to 165 of 250
    expect(shares.reduce((a, b) => a + b) / 2000).toBeCloseTo(0.503, 2);
    expect(Math.max(...shares)).toBeLessThanOrEqual(165 / 250);
  });

  test('masks whole spans, and every place but the last may begin one', () => {
    const begins = new Uint32Array(20);
    for (let seed = 0; seed < 3000; seed++) {
      const mask = spanMask(20, { probability: 0.1, span: 4, minSpans: 1 }, createRng(seed));
      const first = mask.indexOf(1);
      expect([...mask.subarray(first, first + 4)]).toEqual([1, 1, 1, 1]);
      begins[first]!++;
    }
    expect([...begins.subarray(0, 16)].every((n) => n > 0)).toBe(true);
    expect([...begins.subarray(16)].every((n) => n === 0)).toBe(true);
  });

  test('of a short clip has at least its two spans, and something to see', () => {
    for (let seed = 0; seed < 200; seed++) {
      for (const count of [3, 6, 12]) {
        const mask = spanMask(count, { ...atst, span: Math.min(5, count) }, createRng(seed));
        expect(share(mask)).toBeGreaterThan(0);
      }
    }
    expect(() => spanMask(2, atst, createRng(0))).toThrow(/2 tokens/);
  });

  test('is a function of its generator', () => {
    expect(spanMask(250, atst, createRng(3))).toEqual(spanMask(250, atst, createRng(3)));
    expect(spanMask(250, atst, createRng(3))).not.toEqual(spanMask(250, atst, createRng(4)));
  });
});
