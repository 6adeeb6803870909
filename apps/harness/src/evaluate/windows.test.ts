import { expect, test } from 'vitest';
import { cutWindows } from './windows.ts';

const ramp = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => i + 1);
const lists = (windows: readonly Float32Array[]): number[][] => windows.map((window) => [...window]);

test('a short clip is repeated from its start', () => {
  expect(lists(cutWindows(ramp(3), 8))).toEqual([[1, 2, 3, 1, 2, 3, 1, 2]]);
  expect(lists(cutWindows(new Float32Array(0), 3))).toEqual([[0, 0, 0]]);
});

test('a long clip is cut into consecutive windows, its rest repeated', () => {
  expect(lists(cutWindows(ramp(8), 4))).toEqual([[1, 2, 3, 4], [5, 6, 7, 8]]); // prettier-ignore
  expect(lists(cutWindows(ramp(6), 4))).toEqual([[1, 2, 3, 4], [5, 6, 5, 6]]); // prettier-ignore
});
