/**
 * The one hot loop of the probes: C ±= A·Bᵀ in float64 over two-lane SIMD, as a WebAssembly function assembled here so that a
 * worker needs no engine, no build step and no binary file. WebAssembly SIMD has no fused multiply-add: the bits are the same
 * on every machine. Measured 3–5× the same loop in JavaScript.
 */
import { ConfigError } from '@unlabel/core';

/** Operands are rows of consecutive float64 in one workspace. */
export interface DotOperands {
  /** Rows of A (multiple of 4), rows of B (multiple of 2), and the shared length (multiple of 2). */
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** A [m, k] and B [n, k], each a view that starts at the first element; strides in elements. */
  readonly a: Float64Array;
  readonly aStride: number;
  readonly b: Float64Array;
  readonly bStride: number;
  /** C[i, j] lies at i·cRow + j·cColumn. */
  readonly c: Float64Array;
  readonly cRow: number;
  readonly cColumn: number;
  readonly sign: 1 | -1;
}

export interface Workspace {
  /** A zeroed array in the workspace. */
  readonly allocate: (length: number) => Float64Array;
  /** C += sign · A·Bᵀ. */
  readonly dot: (operands: DotOperands) => void;
}

/** The little of WebAssembly's global that is used; Node's types leave it to the DOM library. */
interface WebAssemblyApi {
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> };
}
const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyApi };

const PAGE = 65536;
const MAX_PAGES = 65536;

/**
 * Memory for arrays of the given lengths (in elements), allocated once: views into it stay valid.
 * @throws ConfigError when they need more than WebAssembly's 4 GiB
 */
export function createWorkspace(lengths: readonly number[]): Workspace {
  const bytes = lengths.reduce((sum, length) => sum + 8 * roundUp(length, 2), 0);
  const pages = Math.ceil(bytes / PAGE) + 1;
  if (pages > MAX_PAGES) {
    throw new ConfigError(
      `linear algebra: ${(bytes / 2 ** 30).toFixed(1)} GiB of workspace needed, the limit is 4. Use fewer clips or a narrower embedding.`,
    );
  }
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const { exports } = new WebAssembly.Instance(dotModule(), { env: { memory } });
  const dot = exports['dot'] as (...args: number[]) => void; // the signature assembled below
  let offset = 0;
  return {
    allocate(length) {
      const view = new Float64Array(memory.buffer, offset, length);
      offset += 8 * roundUp(length, 2);
      return view;
    },
    dot({ m, n, k, a, aStride, b, bStride, c, cRow, cColumn, sign }) {
      if (m % 4 !== 0 || n % 2 !== 0 || k % 2 !== 0) throw new RangeError(`dot: [${m}, ${n}, ${k}] is not padded`);
      if (m === 0 || n === 0 || k === 0) return;
      // The kernel trusts its pointers, so the last element of each operand is checked here.
      const outside =
        (m - 1) * aStride + k > a.length ||
        (n - 1) * bStride + k > b.length ||
        (m - 1) * cRow + (n - 1) * cColumn >= c.length ||
        [a, b, c].some((view) => view.buffer !== memory.buffer);
      if (outside) throw new RangeError(`dot: [${m}, ${n}, ${k}] reaches outside its operands`);
      dot(m, n, k, a.byteOffset, 8 * aStride, b.byteOffset, 8 * bStride, c.byteOffset, 8 * cRow, 8 * cColumn, sign);
    },
  };
}

export const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

let compiled: object | undefined;
const dotModule = (): object => (compiled ??= new WebAssembly.Module(assemble()));

/** The module: one import (memory), one export `dot(m, n, k, a, aStride, b, bStride, c, cRow, cColumn, sign)`, strides in bytes. */
function assemble(): Uint8Array<ArrayBuffer> {
  const I32 = 0x7f;
  const F64 = 0x7c;
  const V128 = 0x7b;
  const section = (id: number, ...content: number[]): number[] => [id, ...leb(content.length), ...content];
  const text = (name: string): number[] => [name.length, ...new TextEncoder().encode(name)];
  const type = [0x60, 11, I32, I32, I32, I32, I32, I32, I32, I32, I32, I32, F64, 0];
  const locals = [3, 11, I32, 6, V128, 8, V128];
  const body = [...locals, ...dotBody(), 0x0b];
  const magic = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  return Uint8Array.from([
    ...magic,
    ...section(1, 1, ...type),
    ...section(2, 1, ...text('env'), ...text('memory'), 2, 1, 0, ...leb(MAX_PAGES)),
    ...section(3, 1, 0),
    ...section(7, 1, ...text('dot'), 0, 0),
    ...section(10, 1, ...leb(body.length), ...body),
  ]);
}

/**
 * for i in 0…m step 4, for j in 0…n step 2: eight accumulators of two lanes over p in 0…k step 2, then their lane sums times
 * `sign` are added to C. Locals by number: parameters 0–10, then integers 11–21, loads 22–27, accumulators 28–35.
 */
function dotBody(): number[] {
  const [m, n, k, a, aStride, b, bStride, c, cRow, cColumn, sign] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10] as const;
  const [i, j, p, bRow, cCell, cAt] = [11, 12, 13, 14, 15, 16] as const;
  const pointers = [17, 18, 19, 20, 21] as const; // A rows 1–3, B row 1, A row 0; B row 0 is `bRow` plus p
  const loads = [22, 23, 24, 25, 26, 27] as const;
  const sums = [28, 29, 30, 31, 32, 33, 34, 35] as const;
  const get = (local: number): number[] => [0x20, local];
  const set = (local: number): number[] => [0x21, local];
  const constant = (value: number): number[] => [0x41, ...leb(value)];
  const ADD = 0x6a;
  const MULTIPLY = 0x6c;
  const advance = (local: number, by: number[]): number[] => [...get(local), ...by, ADD, ...set(local)];
  const loop = (...content: number[]): number[] => [0x03, 0x40, ...content, 0x0b];
  const repeatWhileBelow = (local: number, bound: number): number[] => [...get(local), ...get(bound), 0x49, 0x0d, 0];
  const load = (pointer: number, into: number): number[] => [
    ...get(pointer),
    ...get(p),
    ADD,
    0xfd,
    0x00,
    3,
    0,
    ...set(into),
  ];
  const [a1, a2, a3, b1, a0] = pointers;
  const rowsOfA = [a0, a1, a2, a3];

  const inner = [
    ...rowsOfA.flatMap((pointer, row) => load(pointer, loads[row]!)),
    ...load(bRow, loads[4]),
    ...load(b1, loads[5]),
    ...rowsOfA.flatMap((_, row) =>
      [0, 1].flatMap((column) => {
        const sum = sums[2 * row + column]!;
        const product = [...get(loads[row]!), ...get(loads[4 + column]!), 0xfd, 0xf2, 0x01]; // f64x2.mul
        return [...get(sum), ...product, 0xfd, 0xf0, 0x01, ...set(sum)]; // f64x2.add
      }),
    ),
    ...advance(p, constant(16)),
    ...repeatWhileBelow(p, k),
  ];
  const store = rowsOfA.flatMap((_, row) => [
    ...[0, 1].flatMap((column) => {
      const sum = sums[2 * row + column]!;
      const at = column === 0 ? get(cAt) : [...get(cAt), ...get(cColumn), ADD];
      const lanes = [...get(sum), 0xfd, 0x21, 0, ...get(sum), 0xfd, 0x21, 1, 0xa0]; // lane 0 + lane 1
      return [...at, ...at, 0x2b, 3, 0, ...lanes, ...get(sign), 0xa2, 0xa0, 0x39, 3, 0]; // C += sign · sum
    }),
    ...advance(cAt, get(cRow)),
  ]);
  const zero = [0xfd, 0x0c, ...Array.from({ length: 16 }, () => 0)];
  const cell = [
    ...get(bRow), ...get(bStride), ADD, ...set(b1),
    ...sums.flatMap((sum) => [...zero, ...set(sum)]),
    ...constant(0), ...set(p),
    ...loop(...inner),
    ...get(cCell), ...set(cAt),
    ...store,
    ...advance(bRow, [...get(bStride), ...constant(2), MULTIPLY]),
    ...advance(cCell, [...get(cColumn), ...constant(2), MULTIPLY]),
    ...advance(j, constant(2)),
    ...repeatWhileBelow(j, n),
  ]; // prettier-ignore
  return [
    ...get(k), ...constant(8), MULTIPLY, ...set(k), // p counts bytes
    ...constant(0), ...set(i),
    ...loop(
      ...get(a), ...set(a0),
      ...get(a0), ...get(aStride), ADD, ...set(a1),
      ...get(a1), ...get(aStride), ADD, ...set(a2),
      ...get(a2), ...get(aStride), ADD, ...set(a3),
      ...get(b), ...set(bRow),
      ...get(c), ...set(cCell),
      ...constant(0), ...set(j),
      ...loop(...cell),
      ...advance(a, [...get(aStride), ...constant(4), MULTIPLY]),
      ...advance(c, [...get(cRow), ...constant(4), MULTIPLY]),
      ...advance(i, constant(4)),
      ...repeatWhileBelow(i, m),
    ),
  ]; // prettier-ignore
}

/** Signed LEB128, which for these small non-negative numbers also serves where WebAssembly wants it unsigned. */
function leb(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ;) {
    const byte = rest & 0x7f;
    rest >>= 7;
    if (rest === 0 && (byte & 0x40) === 0) return [...bytes, byte];
    bytes.push(byte | 0x80);
  }
}
