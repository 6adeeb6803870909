import { describe, expect, test } from 'vitest';
import { createRng, fmix32, fnv1a32 } from './rng.ts';

/** xoshiro128** after its authors' C code, on BigInt: a second implementation to compare with. */
function referenceXoshiro(state: readonly number[], draws: number): number[] {
  const mask = 0xffffffffn;
  const rotl = (x: bigint, k: bigint): bigint => ((x << k) | (x >> (32n - k))) & mask;
  let [a, b, c, d] = state.map(BigInt) as [bigint, bigint, bigint, bigint];
  return Array.from({ length: draws }, () => {
    const result = (rotl((b * 5n) & mask, 7n) * 9n) & mask;
    const t = (b << 9n) & mask;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotl(d, 11n);
    return Number(result);
  });
}

describe('hashes', () => {
  test('fnv1a32 has its published check values', () => {
    expect([fnv1a32(''), fnv1a32('a'), fnv1a32('foobar')]).toEqual([0x811c9dc5, 0xe40c292c, 0xbf9cf968]);
  });
  test('fmix32 maps 0 to 0 and 1 to its published value', () => {
    expect([fmix32(0), fmix32(1)]).toEqual([0, 0x514e28b7]);
  });
});

describe('createRng', () => {
  test('draws what xoshiro128** draws from the same state', () => {
    const rng = createRng(7);
    const words = referenceXoshiro(rng.state(), 40);
    for (let i = 0; i < 40; i += 2) {
      expect(rng.uniform()).toBe(((words[i]! >>> 5) * 67108864 + (words[i + 1]! >>> 6)) / 2 ** 53);
    }
  });

  test('is the same for the same seed and differs for others', () => {
    const draw = (seed: number): number[] =>
      Array.from(
        { length: 5 },
        (
          (rng) => () =>
            rng.uniform()
        )(createRng(seed)),
      );
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
    expect(draw(2 ** 32)).not.toEqual(draw(0));
  });

  test('forks depend on the labels alone, not on what was drawn', () => {
    const a = createRng(1);
    const early = a.fork('x').fork(2).uniform();
    for (let i = 0; i < 100; i++) a.uniform();
    expect(a.fork('x').fork(2).uniform()).toBe(early);
    expect(a.fork('x').fork(3).uniform()).not.toBe(early);
    expect(a.fork('y').fork(2).uniform()).not.toBe(early);
    expect(a.fork(2).fork('x').uniform()).not.toBe(early);
  });

  test('goes on from a saved state', () => {
    const rng = createRng(5);
    rng.normal();
    const state = rng.state();
    const next = [rng.uniform(), rng.normal(), rng.int(10)];
    const other = createRng(99);
    other.restore(state);
    expect([other.uniform(), other.normal(), other.int(10)]).toEqual(next);
  });

  test('uniform and normal have their moments', () => {
    const rng = createRng(11);
    const n = 200000;
    let [mean, square, gauss, gauss2] = [0, 0, 0, 0];
    for (let i = 0; i < n; i++) {
      const u = rng.uniform();
      const z = rng.normal();
      mean += u / n;
      square += (u * u) / n;
      gauss += z / n;
      gauss2 += (z * z) / n;
    }
    // five standard errors
    expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(square - 1 / 3)).toBeLessThan(5 * Math.sqrt(4 / 45 / n));
    expect(Math.abs(gauss)).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(gauss2 - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
  });

  test('int is uniform over its range and permutation holds each index once', () => {
    const rng = createRng(2);
    const counts = Array.from({ length: 6 }, () => 0);
    for (let i = 0; i < 60000; i++) counts[rng.int(6)]!++;
    for (const count of counts) expect(Math.abs(count - 10000)).toBeLessThan(5 * Math.sqrt(60000 * (1 / 6) * (5 / 6)));
    expect([...rng.permutation(100)].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  test('refuses seeds and ranges that are none', () => {
    expect(() => createRng(-1)).toThrow('seed -1');
    expect(() => createRng(0.5)).toThrow('seed 0.5');
    expect(() => createRng(0).int(0)).toThrow('rng.int(0)');
  });
});
