/**
 * Products with a matrix of many zeros, X [m, k]: what a ReLU and a dropout leave is more than half zeros, in no order. The numbers
 * that are not zero are listed a row and a cut of the depth at a time, and each scales a strip of a row of B while a strip of the
 * result stays in registers. B's strips are packed so that a cut of one lies in cache 1.
 *
 * An element's sum has one order (its depth, ascending) for any number of threads.
 */
import { axpyRows, dotRows } from './micro';
import { param } from './parameters';
import { scratch } from './scratch';

/** Columns of a strip; a multiple of what `axpyRows` takes at once. */
const STRIP: i32 = 96;
const STRIP_BYTES: usize = 384;
/** Depth of a cut: strip × depth is 36 KB. */
const DEPTH: i32 = 96;
/** Bytes of a row's list: for each number its row's offset in the packed strip, and its value. */
const SLOT: usize = 768;
const ROWS: i32 = 192;
/** Where a block of results lies in the scratch memory. */
const BLOCK: usize = 16384;

/** Copy some columns of B [k, n] as a strip [k, STRIP], zero beyond n: 0 B · 1 n · 2 k · 3 packed; a chunk is a strip. */
export function packStrips(d: usize, chunk: i32): void {
  const n = param(d, 1);
  const k = param(d, 2);
  const columns = (<usize>min(STRIP, n - chunk * STRIP)) << 2;
  let from = <usize>param(d, 0) + ((<usize>chunk * STRIP) << 2);
  let to = <usize>param(d, 3) + <usize>chunk * k * STRIP_BYTES;
  for (let i = 0; i < k; i++, from += (<usize>n) << 2, to += STRIP_BYTES) {
    memory.copy(to, from, columns);
    if (columns < STRIP_BYTES) memory.fill(to + columns, 0, STRIP_BYTES - columns);
  }
}

/**
 * List what is not zero: 0 X [rows, columns] · 1 rows · 2 columns · 3 transposed: the lists are of Xᵀ · 4 lists [cuts, m, SLOT] ·
 * 5 where each ends [cuts, m]; a chunk is a cut of the depth.
 */
export function listNonZeros(d: usize, chunk: i32): void {
  const rows = param(d, 1);
  const columns = param(d, 2);
  const x = <usize>param(d, 0);
  const start = chunk * DEPTH;
  if (param(d, 3) == 0) {
    const depth = min(DEPTH, columns - start);
    const list = <usize>param(d, 4) + <usize>chunk * rows * SLOT;
    const ends = <usize>param(d, 5) + ((<usize>chunk * rows) << 2);
    for (let i = 0; i < rows; i++) {
      const from = x + ((<usize>i * columns + start) << 2);
      let to = list + <usize>i * SLOT;
      for (let l = 0; l < depth; l++) {
        const value = load<f32>(from + (l << 2));
        store<u32>(to, <u32>l * <u32>STRIP_BYTES);
        store<f32>(to, value, 4);
        to += (<usize>(value != 0)) << 3;
      }
      store<u32>(ends + (i << 2), <u32>to);
    }
    return;
  }
  const depth = min(DEPTH, rows - start);
  const list = <usize>param(d, 4) + <usize>chunk * columns * SLOT;
  const ends = <usize>param(d, 5) + ((<usize>chunk * columns) << 2);
  for (let j = 0; j < columns; j++) store<u32>(ends + (j << 2), <u32>(list + <usize>j * SLOT));
  for (let l = 0; l < depth; l++) {
    const from = x + ((<usize>(start + l) * columns) << 2);
    for (let j: usize = 0; j < (<usize>columns) << 2; j += 4) {
      const value = load<f32>(from + j);
      const to = <usize>load<u32>(ends + j);
      store<u32>(to, <u32>l * <u32>STRIP_BYTES);
      store<f32>(to, value, 4);
      store<u32>(ends + j, <u32>(to + ((<usize>(value != 0)) << 3)));
    }
  }
}

/**
 * C [m, n] = X·B + bias: 0 lists · 1 ends · 2 m · 3 k · 4 packed B [k, n] · 5 n · 6 C · 7 bias [n]; a chunk is ROWS rows of a strip.
 */
export function sparseProduct(d: usize, chunk: i32): void {
  const m = param(d, 2);
  const k = param(d, 3);
  const n = param(d, 5);
  const strips = (n + STRIP - 1) / STRIP;
  const strip = chunk % strips;
  const first = (chunk / strips) * ROWS;
  const rows = min(ROWS, m - first);
  const block = scratch + BLOCK;
  const columns = (<usize>min(STRIP, n - strip * STRIP)) << 2;
  const across = (<usize>strip * STRIP) << 2;
  memory.copy(block, <usize>param(d, 7) + across, columns);
  memory.fill(block + columns, 0, STRIP_BYTES - columns);
  for (let i = 1; i < rows; i++) memory.copy(block + <usize>i * STRIP_BYTES, block, STRIP_BYTES);
  const packed = <usize>param(d, 4) + <usize>strip * k * STRIP_BYTES;
  for (let cut = 0; cut * DEPTH < k; cut++) {
    const row = <usize>(cut * m + first);
    const b = packed + <usize>(cut * DEPTH) * STRIP_BYTES;
    axpyRows(<usize>param(d, 0) + row * SLOT, SLOT, <usize>param(d, 1) + (row << 2), b, rows, block, STRIP_BYTES);
  }
  const ldc = (<usize>n) << 2;
  let to = <usize>param(d, 6) + <usize>first * ldc + across;
  for (let i = 0; i < rows; i++, to += ldc) memory.copy(to, block + <usize>i * STRIP_BYTES, columns);
}

/**
 * D [m, k] = dY·Bᵀ where X is not zero, else 0: 0 lists · 1 ends · 2 m · 3 k · 4 packed B [k, n] · 5 n · 6 dY [m, n] · 7 D;
 * a chunk is ROWS rows of a cut of the depth. A dot product adds up in eight lanes, strip after strip.
 */
export function sparseDots(d: usize, chunk: i32): void {
  const m = param(d, 2);
  const k = param(d, 3);
  const n = param(d, 5);
  const cuts = (k + DEPTH - 1) / DEPTH;
  const cut = chunk % cuts;
  const first = (chunk / cuts) * ROWS;
  const rows = min(ROWS, m - first);
  const depth = min(DEPTH, k - cut * DEPTH);
  const at = <usize>(cut * m + first);
  const list = <usize>param(d, 0) + at * SLOT;
  const ends = <usize>param(d, 1) + (at << 2);
  const lanes = scratch + BLOCK;
  const laneRow = (<usize>DEPTH) << 5;
  const padded = lanes + <usize>ROWS * laneRow;
  memory.fill(lanes, 0, <usize>rows * laneRow);
  const ldy = (<usize>n) << 2;
  const dy = <usize>param(d, 6) + <usize>first * ldy;
  for (let column = 0; column < n; column += STRIP) {
    const packed = <usize>param(d, 4) + (<usize>(column / STRIP) * k + cut * DEPTH) * STRIP_BYTES;
    let from = dy + ((<usize>column) << 2);
    let step = ldy;
    if (n - column < STRIP) {
      const columns = (<usize>(n - column)) << 2;
      for (let i = 0; i < rows; i++, from += ldy) {
        memory.copy(padded + <usize>i * STRIP_BYTES, from, columns);
        memory.fill(padded + <usize>i * STRIP_BYTES + columns, 0, STRIP_BYTES - columns);
      }
      from = padded;
      step = STRIP_BYTES;
    }
    dotRows(list, SLOT, ends, packed, rows, from, step, lanes, laneRow);
  }
  for (let i = 0; i < rows; i++) {
    const to = <usize>param(d, 7) + ((<usize>(first + i) * k + cut * DEPTH) << 2);
    memory.fill(to, 0, (<usize>depth) << 2);
    let lane = lanes + <usize>i * laneRow;
    const end = <usize>load<u32>(ends + (i << 2));
    for (let entry = list + <usize>i * SLOT; entry < end; entry += 8, lane += 32) {
      const four = f32x4.add(v128.load(lane), v128.load(lane, 16));
      const two = f32x4.add(four, v128.shuffle<f32>(four, four, 2, 3, 2, 3));
      store<f32>(
        to + ((<usize>(load<u32>(entry) / <u32>STRIP_BYTES)) << 2),
        f32x4.extract_lane(two, 0) + f32x4.extract_lane(two, 1),
      );
    }
  }
}
