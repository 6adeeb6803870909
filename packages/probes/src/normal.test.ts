import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { normalQuantile } from './normal.ts';

const rows = JSON.parse(
  readFileSync(new URL('../fixtures/normal-quantile.json', import.meta.url), 'utf8'),
) as readonly (readonly [number, number])[];

test('agrees with 60-digit arithmetic to 1e-15 relative over the whole range', () => {
  for (const [p, expected] of rows) {
    const error = Math.abs(normalQuantile(p) - expected);
    expect(error, `p = ${p}`).toBeLessThanOrEqual(1e-15 * Math.max(Math.abs(expected), 1e-30));
  }
});

test('is odd around one half, infinite at the ends and NaN outside', () => {
  expect(normalQuantile(0.25)).toBe(-normalQuantile(0.75));
  expect(normalQuantile(0)).toBe(-Infinity);
  expect(normalQuantile(1)).toBe(Infinity);
  for (const p of [-1e-9, 1 + 1e-9, NaN]) expect(normalQuantile(p)).toBeNaN();
});
