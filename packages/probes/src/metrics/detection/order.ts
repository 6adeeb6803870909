/** Stable sorts over typed arrays, as numpy's mergesort orders: equal keys keep their places. */

/** Sorts the indices `order[from … to)` by falling `keys[index]`, in place. `scratch` is at least as long as `order`. */
export function sortFalling(
  order: Int32Array,
  keys: ArrayLike<number>,
  from: number,
  to: number,
  scratch: Int32Array,
): void {
  const run = 16;
  for (let start = from; start < to; start += run) insertionSort(order, keys, start, Math.min(start + run, to));
  let [source, target] = [order, scratch];
  for (let width = run; width < to - from; width *= 2) {
    for (let start = from; start < to; start += 2 * width) {
      const middle = Math.min(start + width, to);
      mergeRuns(source, target, keys, start, middle, Math.min(middle + width, to));
    }
    [source, target] = [target, source];
  }
  if (source !== order) order.set(source.subarray(from, to), from);
}

function insertionSort(order: Int32Array, keys: ArrayLike<number>, from: number, to: number): void {
  for (let i = from + 1; i < to; i++) {
    const index = order[i]!;
    const key = keys[index]!;
    let j = i - 1;
    for (; j >= from && keys[order[j]!]! < key; j--) order[j + 1] = order[j]!;
    order[j + 1] = index;
  }
}

function mergeRuns(
  source: Int32Array,
  target: Int32Array,
  keys: ArrayLike<number>,
  from: number,
  middle: number,
  to: number,
): void {
  let [i, j] = [from, middle];
  for (let at = from; at < to; at++) {
    const takesLeft = i < middle && (j >= to || keys[source[i]!]! >= keys[source[j]!]!);
    target[at] = takesLeft ? source[i++]! : source[j++]!;
  }
}

/** Indices grouped by `group` (0 … groups − 1) in the order they have in `order`, and where each group starts [groups + 1]. */
export function groupStable(
  order: Int32Array,
  group: Int32Array,
  groups: number,
): { readonly order: Int32Array; readonly starts: Int32Array } {
  const starts = new Int32Array(groups + 1);
  for (let i = 0; i < order.length; i++) starts[group[order[i]!]! + 1]!++;
  for (let g = 0; g < groups; g++) starts[g + 1]! += starts[g]!;
  const next = starts.slice();
  const grouped = new Int32Array(order.length);
  for (let i = 0; i < order.length; i++) grouped[next[group[order[i]!]!]!++] = order[i]!;
  return { order: grouped, starts };
}

/** 0 … n − 1. */
export function identityOrder(n: number): Int32Array {
  const order = new Int32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  return order;
}
