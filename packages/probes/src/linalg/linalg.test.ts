import { createRng } from '@unlabel/core';
import { expect, test } from 'vitest';
import { cholesky, solveLower, solveUpper } from './cholesky.ts';
import { createWorkspace } from './kernel.ts';

const rng = createRng(5);
const fill = (values: Float64Array): Float64Array => values.map(() => rng.normal());

test('the kernel adds ±A·Bᵀ for strided operands, and touches nothing else', () => {
  const [m, n, k] = [8, 6, 10];
  const workspace = createWorkspace([400, 400, 400]);
  const [a, b, c] = [workspace.allocate(400), workspace.allocate(400), workspace.allocate(400)];
  a.set(fill(a));
  b.set(fill(b));
  c.set(fill(c));
  for (const [cRow, cColumn, sign] of [
    [7, 1, 1],
    [1, 11, -1],
  ] as const) {
    const expected = c.slice();
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++) sum += a[i * 13 + p]! * b[j * 12 + p]!;
        expected[i * cRow + j * cColumn]! += sign * sum;
      }
    }
    workspace.dot({ m, n, k, a, aStride: 13, b, bStride: 12, c, cRow, cColumn, sign });
    for (let i = 0; i < c.length; i++) expect(c[i]).toBeCloseTo(expected[i]!, 12);
  }
});

test('the kernel refuses operands that are not padded or too short', () => {
  const workspace = createWorkspace([64, 64, 64]);
  const [a, b, c] = [workspace.allocate(64), workspace.allocate(64), workspace.allocate(64)];
  const operands = { m: 4, n: 2, k: 8, a, aStride: 8, b, bStride: 8, c, cRow: 2, cColumn: 1, sign: 1 } as const;
  expect(() => workspace.dot({ ...operands, m: 6 })).toThrow('not padded');
  expect(() => workspace.dot({ ...operands, m: 12 })).toThrow('outside');
  expect(() => workspace.dot({ ...operands, a: new Float64Array(64) })).toThrow('outside');
  expect(() => createWorkspace([2 ** 30])).toThrow('4. Use fewer clips');
});

test.each([4, 32, 36, 100])('the factor of a %i × %i matrix solves its equations', (s) => {
  const k = 6;
  const workspace = createWorkspace([s * s, s * s, s * s, k * s]);
  const [x, matrix, factor, vectors] = [s * s, s * s, s * s, k * s].map((length) => workspace.allocate(length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  x.set(fill(x));
  workspace.dot({ m: s, n: s, k: s, a: x, aStride: s, b: x, bStride: s, c: matrix, cRow: s, cColumn: 1, sign: 1 });
  for (let i = 0; i < s; i++) matrix[i * s + i]! += 0.5;
  factor.set(matrix);
  cholesky(workspace, factor, s);
  const wanted = fill(vectors);
  for (let v = 0; v < k; v++) {
    for (let i = 0; i < s; i++) {
      for (let j = 0; j < s; j++) vectors[v * s + i]! += matrix[i * s + j]! * wanted[v * s + j]!;
    }
  }
  solveLower(workspace, factor, s, vectors, k);
  solveUpper(workspace, factor, s, vectors, k);
  for (let i = 0; i < vectors.length; i++) expect(Math.abs(vectors[i]! - wanted[i]!)).toBeLessThan(1e-9);
});
