/** Running median as scipy.ndimage.median_filter with mode `reflect`, which HEAR smooths frame scores with (hear.md §7.1). */
import { DataError } from '@unlabel/core';

/**
 * Median over windows of `width` values. Edges are mirrored with the edge value repeated (… b a | a b …). The window of value i
 * covers i − ⌊width/2⌋ … i − ⌊width/2⌋ + width − 1; of an even number of values the upper middle one is taken, not a mean.
 * O(n · width) with a small constant: the window is kept sorted.
 * @throws DataError for a width below 1
 */
export function medianFilter(values: ArrayLike<number>, width: number): Float64Array {
  if (!(Number.isInteger(width) && width >= 1))
    throw new DataError(`median filter: expected a width ≥ 1, found ${width}`);
  const n = values.length;
  const out = new Float64Array(n);
  if (n === 0) return out;
  const at = (i: number): number => values[mirrored(i, n)]!;
  const before = width >> 1;
  const window = new Float64Array(width);
  for (let k = 0; k < width; k++) window[k] = at(k - before);
  window.sort();
  out[0] = window[before]!;
  for (let i = 1; i < n; i++) {
    replace(window, at(i - 1 - before), at(i - before + width - 1));
    out[i] = window[before]!;
  }
  return out;
}

/** Index after reflection about both ends; a window may be wider than the signal. */
function mirrored(i: number, n: number): number {
  const period = 2 * n;
  const at = ((i % period) + period) % period;
  return at < n ? at : period - 1 - at;
}

/** Takes `gone` out of sorted values and puts `come` in. */
function replace(sorted: Float64Array, gone: number, come: number): void {
  let at = lowerBound(sorted, gone);
  for (; at + 1 < sorted.length && sorted[at + 1]! < come; at++) sorted[at] = sorted[at + 1]!;
  for (; at > 0 && sorted[at - 1]! > come; at--) sorted[at] = sorted[at - 1]!;
  sorted[at] = come;
}

function lowerBound(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
