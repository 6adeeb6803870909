import { expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { heatMap } from '../pictures/heat-map.ts';
import { cosineDistance, mahalanobis } from './distance.ts';
import { measure, type InvarianceRow } from './measure.ts';
import { csvText, tableText, withMeans } from './report.ts';

const rng = createRng(5);
const normals = (size: number): Float32Array => Float32Array.from({ length: size }, () => rng.normal());

/** √(vᵀΣ⁻¹v) by Gauss–Jordan on the whole [D, D] matrix. */
function literal(data: Float32Array, width: number, v: readonly number[]): number {
  const n = data.length / width;
  const mean = Array.from({ length: width }, (_, d) => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += data[i * width + d]! / n;
    return sum;
  });
  const s = mean.map((_, a) =>
    mean.map((__, b) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += ((data[i * width + a]! - mean[a]!) * (data[i * width + b]! - mean[b]!)) / (n - 1);
      return sum;
    }),
  );
  const mu = s.reduce((sum, row, d) => sum + row[d]!, 0) / width;
  const m = s.map((row, a) => [...row.map((x, b) => 0.9 * x + (a === b ? 0.1 * mu : 0)), v[a]!]);
  for (let p = 0; p < width; p++) {
    const pivot = m[p]![p]!;
    m[p] = m[p]!.map((x) => x / pivot);
    for (let r = 0; r < width; r++) if (r !== p) m[r] = m[r]!.map((x, c) => x - m[r]![p]! * m[p]![c]!);
  }
  return Math.sqrt(v.reduce((sum, x, d) => sum + x * m[d]![width]!, 0));
} // prettier-ignore

test.each([[3, 7], [12, 5], [9, 9]] as const)('the distance of %i vectors of %i dimensions is the definition’s', (n, width) => {
  const data = normals(n * width).map((x, i) => x * (1 + (i % width)) + 3);
  const [x, y] = [normals(width), normals(width)];
  const expected = literal(data, width, [...x].map((value, d) => value - y[d]!));
  expect(mahalanobis(data, width).between(x, y)).toBeCloseTo(expected, 6);
  expect(mahalanobis(data, width).between(x, x)).toBe(0);
}); // prettier-ignore

test('refuses what has no covariance', () => {
  expect(() => mahalanobis(new Float32Array(4), 4)).toThrow(/two or more/);
  expect(() => mahalanobis(new Float32Array(8).fill(2), 4)).toThrow(/the same/);
});

test('cosine distance', () => {
  expect(cosineDistance([1, 0], [3, 0])).toBe(0);
  expect(cosineDistance([1, 0], [0, 2])).toBe(1);
  expect(cosineDistance([0, 0], [0, 0])).toBe(0);
  expect(cosineDistance([0, 0], [0, 1])).toBe(1);
});

const n = 40;
const width = 6;
const original = normals(n * width);
/** The first half stays, the second becomes another clip’s. */
const other = original.map((x, i) => (i % width < 3 ? x : original[(i + width) % original.length]!));
const parts = [
  { name: 'contrastive', from: 0, to: 3 },
  { name: 'predictive', from: 3, to: 6 },
  { name: 'whole', from: 0, to: 6 },
];
const rowsOf = (task: string): InvarianceRow[] =>
  measure({ original, moved: new Map([['swap', other], ['none', original]]), width }, parts, { model: 'm', task, seed: 1 }); // prettier-ignore
const pick = (rows: readonly InvarianceRow[], part: string, transform: string, task = 'a'): InvarianceRow =>
  rows.find((row) => row.part === part && row.transform === transform && row.task === task)!;

test('a half that stays is at 0, one that becomes another clip’s at 1, and their difference says so', () => {
  const rows = rowsOf('a');
  expect(pick(rows, 'contrastive', 'swap').relative).toEqual({ mean: 0, low: 0, high: 0 });
  const { mean, low, high } = pick(rows, 'predictive', 'swap').relative;
  expect(Math.abs(mean - 1)).toBeLessThan(0.15);
  expect(low < mean && mean < high).toBe(true);
  expect(high - low).toBeLessThan(0.6);
  const difference = pick(rows, 'contrastive − predictive', 'swap');
  expect(difference.relative.mean).toBeCloseTo(-mean, 10);
  expect(difference.cosine).toBeNull();
  expect(pick(rows, 'whole', 'none').cosine!.mean).toBeCloseTo(0, 6);
  expect(pick(rows, 'predictive', 'mean').relative.mean).toBeCloseTo(mean / 2, 10);
});

test('means over tasks have narrower intervals; text and CSV show them', () => {
  const rows = withMeans([...rowsOf('a'), ...rowsOf('b')]);
  const [one, both] = [pick(rows, 'predictive', 'swap').relative, pick(rows, 'predictive', 'swap', 'mean').relative];
  expect(both.mean).toBeCloseTo(one.mean, 10);
  expect(both.high - both.low).toBeCloseTo((one.high - one.low) / Math.SQRT2, 10);
  expect(tableText(rows)).toContain(`m, predictive`);
  const csv = csvText(rows).trimEnd().split('\n');
  expect(csv.length).toBe(1 + rows.length);
  expect(csv[0]!.split(',').length).toBe(14);
  expect(csv.every((line) => line.split(',').length === 14)).toBe(true);
});

test('a heat map has a cell a value, the largest darkest, and escapes names', () => {
  const svg = heatMap('a & b', ['x', 'y'], [{ title: '<m>', rows: [{ name: 'p', values: [0, 2] }, { name: 'q', values: [1, -1] }] }]); // prettier-ignore
  expect(svg.match(/<rect/g)!.length).toBe(4);
  expect(svg).toContain('a &#38; b');
  expect(svg).not.toContain('<m>');
  const fills = [...svg.matchAll(/fill="hsl\((\d+) 85% (\d+)%\)"/g)].map(([, , light]) => Number(light));
  expect(fills).toEqual([92, 40, 66, 92]);
});
