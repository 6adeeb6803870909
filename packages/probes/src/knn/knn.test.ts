import { readFileSync } from 'node:fs';
import { createRng, type GoldenFile, type GoldenTools } from '@unlabel/core';
import { describe, expect, test } from 'vitest';
import { knnGoldens } from './goldens.ts';
import { knnVotes, topAccuracy } from './knn.ts';

const fixture = (name: string): Buffer => readFileSync(new URL(`../../fixtures/knn/${name}`, import.meta.url));

const stored = ((): GoldenTools['stored'] => {
  const bytes = fixture('knn-dino.safetensors');
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  type Entry = { dtype: 'F32' | 'F64' | 'I32'; shape: number[]; data_offsets: [number, number] };
  const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<string, Entry>;
  const types = { F32: Float32Array, F64: Float64Array, I32: Int32Array };
  return (name) => {
    const entry = header[name];
    if (!entry) return undefined;
    const [from, to] = entry.data_offsets;
    const { buffer } = Uint8Array.from(bytes.subarray(start + from, start + to));
    return { data: new types[entry.dtype](buffer), shape: entry.shape };
  };
})();

test('agrees with DINO’s kNN: rankings and counts exactly, weights to 1e-6', async () => {
  const golden = JSON.parse(fixture('knn-dino.json').toString()) as GoldenFile;
  const target = knnGoldens['knn-dino']!;
  const found = await target.run(golden, { stored } as GoldenTools);
  for (const [name, hits] of Object.entries(target.expected(golden))) expect(found[name], name).toBe(hits);
  let compared = 0;
  for (const [name, output] of Object.entries(found)) {
    const expected = stored(name);
    if (!expected || typeof output === 'number') continue;
    compared++;
    const bound = expected.data instanceof Int32Array ? 0 : 1e-6;
    const worst = Math.max(...Array.from(expected.data, (value, i) => Math.abs(value - output.data[i]!)));
    expect(worst, name).toBeLessThanOrEqual(bound);
  }
  expect(compared).toBeGreaterThanOrEqual(12);
});

describe('the neighbours', () => {
  const rng = createRng(2);
  const draw = (n: number, width = 5): Float32Array => Float32Array.from({ length: n * width }, () => rng.normal());
  const train = { embeddings: { data: draw(37), width: 5 }, labels: Array.from({ length: 37 }, (_, i) => i % 4) };
  const queries = { data: draw(9), width: 5 };

  test('are those of a plain sort', () => {
    const unit = (data: Float32Array, i: number): number[] => {
      const row = [...data.subarray(5 * i, 5 * i + 5)];
      return row.map((value) => value / Math.hypot(...row));
    };
    const { scores } = knnVotes(train, queries, { classes: 4, ks: [7], temperature: 0.2 })[0]!;
    for (let q = 0; q < 9; q++) {
      const cosines = train.labels.map((label, i) => {
        const [a, b] = [unit(queries.data, q), unit(train.embeddings.data, i)];
        return { label, cosine: a.reduce((sum, value, d) => sum + value * b[d]!, 0) };
      });
      const weights = [0, 0, 0, 0];
      const near = cosines.toSorted((a, b) => b.cosine - a.cosine).slice(0, 7);
      for (const { label, cosine } of near) weights[label]! += Math.exp(cosine / 0.2);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      weights.forEach((weight, c) => expect(scores[4 * q + c]).toBeCloseTo(weight / total, 12));
    }
  });

  test('are the same in blocks of any size, also below 100 images', () => {
    const run = (block: number): Float64Array => knnVotes(train, queries, { classes: 4, ks: [3], block })[0]!.scores;
    for (const block of [1, 2, 4, 100]) expect(run(block)).toEqual(run(64));
  });

  test('of equal distance are the first; more than there are images are all', () => {
    const same = { embeddings: { data: new Float32Array(8).fill(1), width: 2 }, labels: [2, 0, 1, 1] };
    const query = { data: new Float32Array(2).fill(1), width: 2 };
    const scores = knnVotes(same, query, { classes: 3, ks: [1, 2, 50] }).map((votes) => [...votes.scores]);
    expect(scores).toEqual([[0, 0, 1], [0.5, 0, 0.5], [0.25, 0.5, 0.25]]); // prettier-ignore
  });

  test('inner products are used where they are asked for', () => {
    const lengths = { embeddings: { data: Float32Array.of(1, 0, 5, 5), width: 2 }, labels: [0, 1] };
    const query = { data: Float32Array.of(1, 0), width: 2 };
    const best = (normalize: boolean): number =>
      knnVotes(lengths, query, { classes: 2, ks: [1], normalize })[0]!.scores.indexOf(1);
    expect([best(true), best(false)]).toEqual([0, 1]);
  });

  test('what does not fit is refused', () => {
    expect(() => knnVotes(train, { data: draw(2), width: 10 }, { classes: 4 })).toThrow('test embeddings of size 10');
    expect(() => knnVotes(train, queries, { classes: 3 })).toThrow('training image 3 has label 3; expected 0…2');
    expect(() => knnVotes(train, queries, { classes: 4, ks: [0] })).toThrow('numbers of neighbours');
    expect(() => knnVotes(train, queries, { classes: 4, temperature: 0 })).toThrow('a temperature above 0');
  });
});

test('top accuracy counts equal scores for the lower class', () => {
  const scores = [0.2, 0.2, 0.6, 0.5, 0.5, 0];
  expect(topAccuracy(scores, [1, 1], 3, 1)).toBe(0);
  expect(topAccuracy(scores, [0, 1], 3, 2)).toBe(1);
  expect(topAccuracy(scores, [1, 0], 3, 2)).toBe(0.5);
});
