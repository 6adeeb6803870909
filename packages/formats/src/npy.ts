/** NumPy's .npy files, format versions 1 to 3 (numpy.lib.format). Only plain little-endian numbers: nothing is unpickled. */
import { DataError, type NdArray, type TypedArray } from '@unlabel/core';
import { bytesOf, checkedSize, concatBytes, latin1, viewOf } from './bytes.ts';
import { elementBytes, elementsFromBytes, elementTypeOf, type ElementType } from './dtype.ts';

const types: Readonly<Record<string, ElementType>> = {
  '<f8': 'F64',
  '<f4': 'F32',
  '<f2': 'F16',
  '<i8': 'I64',
  '<i4': 'I32',
  '<i2': 'I16',
  '|i1': 'I8',
  '|u1': 'U8',
  '|b1': 'BOOL',
};
const descriptions = { F32: '<f4', F64: '<f8', I32: '<i4', U8: '|u1' } as const;
const maxHeader = 1 << 16;

/**
 * An array as a version 1.0 .npy file: f4, f8, i4 or u1 by the kind of `data`.
 * @throws DataError when the shape does not match the number of elements
 */
export function encodeNpy(array: NdArray<TypedArray>): Uint8Array<ArrayBuffer> {
  const { data, shape } = array;
  if (checkedSize(shape, 'encodeNpy') !== data.length) {
    throw new DataError(`encodeNpy: shape [${shape.join(', ')}] does not hold the ${data.length} elements given`);
  }
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${descriptions[elementTypeOf(data)]}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10; // the data start at a multiple of 64
  const head = new Uint8Array(10 + length).fill(0x20);
  head.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, length & 255, length >> 8]);
  for (let i = 0; i < text.length; i++) head[10 + i] = text.charCodeAt(i);
  head[head.length - 1] = 0x0a;
  return concatBytes([head, bytesOf(data)]);
}

/**
 * Reads a .npy file: f4 and f2 → Float32Array, f8 → Float64Array, i4, i2, i1 and i8 → Int32Array, u1 and bool →
 * Uint8Array. Arrays in Fortran order are transposed to row-major.
 * @throws DataError for anything else (objects, structures, big-endian), for a header that is malformed or states more or
 * fewer elements than the file has, and for 64-bit integers that do not fit 32 bits
 */
export function decodeNpy(bytes: Uint8Array, name = 'npy'): NdArray<TypedArray> {
  const { header, data } = openNpy(bytes, name);
  const type = Object.hasOwn(types, header.descr) ? types[header.descr] : undefined;
  if (!type)
    throw new DataError(
      `${name}: elements of type '${header.descr}' are not read, expected one of ${Object.keys(types).join(' ')}`,
    );
  checkBytes(header, elementBytes[type], data, name);
  return decodeNpyElements(type, data, header.shape, header.isFortran, name);
}

/**
 * Names in a .npy file of one axis: texts (`<U12`, up to the first NUL) or whole numbers as text.
 * @throws DataError for another type or shape, and as `decodeNpy` does
 */
export function decodeNpyNames(bytes: Uint8Array, name = 'npy'): string[] {
  const { header, data } = openNpy(bytes, name);
  if (header.shape.length !== 1)
    throw new DataError(`${name}: expected names along one axis, found shape [${header.shape.join(', ')}]`);
  const width = /^<U(\d{1,5})$/.exec(header.descr)?.[1];
  if (width === undefined) {
    if (!/^[<|][iu]\d$/.test(header.descr))
      throw new DataError(`${name}: elements of type '${header.descr}' are no names; expected texts or whole numbers`);
    return Array.from(decodeNpy(bytes, name).data, String);
  }
  const length = Number(width);
  checkBytes(header, 4 * length, data, name);
  const view = viewOf(data);
  return Array.from({ length: header.shape[0]! }, (_, row) => {
    let text = '';
    for (let i = 0; i < length; i++) {
      const point = view.getUint32(4 * (row * length + i), true);
      if (point === 0) break;
      if (point > 0x10ffff) throw new DataError(`${name}: name ${row} holds ${point}, which is no character`);
      text += String.fromCodePoint(point);
    }
    return text;
  });
}

type Header = ReturnType<typeof parseHeader>;

function openNpy(bytes: Uint8Array, name: string): { readonly header: Header; readonly data: Uint8Array } {
  if (bytes.length < 10 || latin1(bytes, 0, 6) !== '\x93NUMPY') throw new DataError(`${name}: expected a .npy file`);
  const version = bytes[6]!;
  if (version < 1 || version > 3) throw new DataError(`${name}: expected .npy version 1…3, found ${version}`);
  const view = viewOf(bytes);
  const start = version === 1 ? 10 : 12;
  if (bytes.length < start) throw new DataError(`${name}: the file ends within its header`);
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > maxHeader || start + length > bytes.length) {
    throw new DataError(`${name}: the header states ${length} bytes, the file has ${bytes.length - start} after it`);
  }
  return { header: parseHeader(latin1(bytes, start, start + length), name), data: bytes.subarray(start + length) };
}

function checkBytes({ shape, descr }: Header, elementSize: number, data: Uint8Array, name: string): void {
  const size = checkedSize(shape, name);
  if (data.length !== size * elementSize) {
    throw new DataError(
      `${name}: shape [${shape.join(', ')}] of ${descr} takes ${size * elementSize} bytes, the file has ${data.length}`,
    );
  }
}

/** Elements in numpy's order → a row-major array. `bytes` holds exactly the elements of `shape`. */
export function decodeNpyElements(
  type: ElementType,
  bytes: Uint8Array,
  shape: readonly number[],
  isFortran: boolean,
  where: string,
): NdArray<TypedArray> {
  const elements = elementsFromBytes(type, bytes, where);
  return { data: isFortran ? fromFortran(elements, shape) : elements, shape };
}

/** The header is a Python dict literal of exactly these three keys, in any order. */
function parseHeader(text: string, name: string): { descr: string; isFortran: boolean; shape: number[] } {
  const fault = (): DataError =>
    new DataError(`${name}: malformed .npy header ${JSON.stringify(text.trim().slice(0, 120))}`);
  const body = /^\s*\{(.*)\}\s*$/s.exec(text)?.[1];
  if (body === undefined) throw fault();
  const entry = /\s*'(descr|fortran_order|shape)'\s*:\s*('[^']*'|True|False|\([0-9,\s]*\))\s*(,|$)/y;
  const found = new Map<string, string>();
  for (let at = 0; at < body.length && body.slice(at).trim() !== ''; at = entry.lastIndex) {
    entry.lastIndex = at;
    const match = entry.exec(body);
    if (!match || found.has(match[1]!)) throw fault();
    found.set(match[1]!, match[2]!);
  }
  const descr = /^'([^']*)'$/.exec(found.get('descr') ?? '')?.[1];
  const order = found.get('fortran_order');
  const tuple = found.get('shape');
  if (descr === undefined || !tuple?.startsWith('(') || (order !== 'True' && order !== 'False')) throw fault();
  const items = tuple
    .slice(1, -1)
    .split(',')
    .map((item) => item.trim());
  if (items.at(-1) === '') items.pop(); // `()` and `(3,)`
  if (!items.every((item) => /^\d+$/.test(item))) throw fault();
  const shape = items.map(Number);
  return { descr, isFortran: order === 'True', shape };
}

/** Column-major elements of `shape` in row-major order. */
function fromFortran(source: TypedArray, shape: readonly number[]): TypedArray {
  const out = source.slice();
  const index = shape.map(() => 0);
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, n) => product * n, 1));
  let from = 0;
  for (let to = 0; to < out.length; to++) {
    out[to] = source[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= index[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
