import { describe, expect, test } from 'vitest';
import { createRng, type NdArray } from '@unlabel/core';
import { logMixupExp, mixup } from './mixup.ts';
import { noise, rows, worst } from './testing.ts';

describe('mixup', () => {
  const x = noise(3, 8);
  const mixed = (a: number, b: number, alpha: number): number =>
    Math.log((1 - alpha) * Math.exp(a) + alpha * Math.exp(b) + 2 ** -23);

  test('a shorter background is mixed into its span only', () => {
    const z = noise(3, 5, 'z');
    const expected = rows(x).map((row, f) =>
      row.map((value, t) => (t >= 2 && t < 7 ? mixed(value, rows(z)[f]![t - 2]!, 0.3) : value)),
    );
    expect(worst(logMixupExp(x, z, 0.3, 2), expected)).toBeLessThan(1e-6);
  });

  test('a longer background is cut', () => {
    const z = noise(3, 11, 'z');
    const expected = rows(x).map((row, f) => row.map((value, t) => mixed(value, rows(z)[f]![t + 3]!, 0.1)));
    expect(worst(logMixupExp(x, z, 0.1, 3), expected)).toBeLessThan(1e-6);
    expect(() => logMixupExp(x, z, 0.1, 4)).toThrow('does not fit');
  });

  test('asks for an input within memory and passes the first through', async () => {
    const asked: number[] = [];
    const recent = (k: number): NdArray => {
      asked.push(k);
      return noise(3, 8, `recent${k}`);
    };
    expect(await mixup(x, recent, 0, createRng(0))).toBe(x);
    expect(asked).toEqual([]);
    for (let seed = 0; seed < 200; seed++) await mixup(x, recent, 3, createRng(seed), { memory: 2 });
    expect(new Set(asked)).toEqual(new Set([1, 2]));
    const [a, b] = [await mixup(x, recent, 9, createRng(4)), await mixup(x, recent, 9, createRng(4))];
    expect(a).toEqual(b);
    expect(a).not.toEqual(x);
  });
});
