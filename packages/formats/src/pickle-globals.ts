/** What the standard library's and numpy's callables make of their arguments in a pickle, as plain values. */
import { DataError, type NdArray, type TypedArray } from '@unlabel/core';
import { checkedSize } from './bytes.ts';
import { elementBytes, elementsFromBytes, type ElementType } from './dtype.ts';
import { decodeNpyElements } from './npy.ts';
import { namespaces, PickleGlobal, PickleObject, type Buildable } from './pickle-values.ts';

/** A numpy dtype: 'f4' and its byte order. */
class NumpyDtype implements Buildable {
  readonly code: string;
  isBigEndian = false;
  constructor(code: string) {
    this.code = code;
  }
  build(state: unknown): void {
    this.isBigEndian = Array.isArray(state) && state[1] === '>';
  }
}

/** A numpy array within a pickle. One of objects or of an element type that is not read has no `array`. */
export class NumpyArray implements Buildable {
  array: NdArray<TypedArray> | undefined;
  readonly #where: string;
  constructor(where: string) {
    this.#where = where;
  }
  /** `state` is numpy's (version, shape, dtype, is in Fortran order, bytes). */
  build(state: unknown): void {
    const [, shape, dtype, isFortran, bytes] = Array.isArray(state) ? (state as unknown[]) : [];
    if (!Array.isArray(shape) || !(dtype instanceof NumpyDtype))
      throw new DataError(`${this.#where}: malformed numpy array`);
    const type = elementType(dtype);
    if (!type || !(bytes instanceof Uint8Array)) return;
    const size = checkedSize(shape, this.#where);
    if (bytes.length !== size * elementBytes[type]) {
      throw new DataError(`${this.#where}: numpy array [${shape.join(', ')}] with ${bytes.length} bytes`);
    }
    this.array = decodeNpyElements(type, bytes, shape as number[], isFortran === true, this.#where);
  }
}

const numpyTypes: Readonly<Record<string, ElementType>> = {
  f8: 'F64',
  f4: 'F32',
  f2: 'F16',
  i8: 'I64',
  i4: 'I32',
  i2: 'I16',
  i1: 'I8',
  u1: 'U8',
  b1: 'BOOL',
};

const elementType = (dtype: NumpyDtype): ElementType | undefined =>
  dtype.isBigEndian ? undefined : Object.hasOwn(numpyTypes, dtype.code) ? numpyTypes[dtype.code] : undefined;

function numpyScalar([dtype, bytes]: readonly unknown[], where: string): unknown {
  if (!(dtype instanceof NumpyDtype) || !(bytes instanceof Uint8Array)) return undefined;
  const type = elementType(dtype);
  if (!type || bytes.length !== elementBytes[type]) return undefined;
  const value = elementsFromBytes(type, bytes, where)[0]!;
  return type === 'BOOL' ? value === 1 : value;
}

/** Python 3 writes bytes in protocol 2 as a call: `_codecs.encode('…', 'latin1')`. */
function encodeText([text, codec]: readonly unknown[]): unknown {
  if (typeof text !== 'string' || typeof codec !== 'string') return undefined;
  if (/^utf-?8$/i.test(codec)) return new TextEncoder().encode(text);
  if (!/^(latin-?1|iso-?8859-?1)$/i.test(codec)) return undefined;
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 255) return undefined;
    bytes[i] = text.charCodeAt(i);
  }
  return bytes;
}

function toMap(items: unknown): Map<unknown, unknown> | undefined {
  if (items === undefined) return new Map();
  if (items instanceof Map) return new Map(items);
  if (!Array.isArray(items) || !items.every((pair) => Array.isArray(pair) && pair.length === 2)) return undefined;
  return new Map(items as [unknown, unknown][]);
}

const toList = (items: unknown): unknown[] | undefined =>
  items === undefined ? [] : Array.isArray(items) ? [...(items as unknown[])] : undefined;

function toSet(items: unknown): Set<unknown> | undefined {
  const list = toList(items);
  return list && new Set(list);
}

function toBytes([source, codec]: readonly unknown[]): unknown {
  if (source === undefined) return new Uint8Array(0);
  if (source instanceof Uint8Array) return source;
  return encodeText([source, codec ?? 'latin1']);
}

function namespace(attributes: unknown = new Map()): Map<unknown, unknown> | undefined {
  if (!(attributes instanceof Map)) return undefined;
  const map = new Map<unknown, unknown>(attributes);
  namespaces.add(map);
  return map;
}

/**
 * Constructors for `readPickle`.
 * @param where stands in front of error messages
 */
export function plainConstructors(where: string): Map<string, (args: readonly unknown[]) => unknown> {
  const table = new Map<string, (args: readonly unknown[]) => unknown>([
    ['collections.OrderedDict', ([items]) => toMap(items)],
    ['collections.Counter', ([items]) => toMap(items)],
    ['collections.defaultdict', ([, items]) => toMap(items)],
    ['argparse.Namespace', () => namespace()],
    ['types.SimpleNamespace', () => namespace()],
    ['_codecs.encode', encodeText],
    ['numpy.dtype', ([code]) => (typeof code === 'string' ? new NumpyDtype(code.replace(/^[<|=]/, '')) : undefined)],
  ]);
  for (const module of ['builtins', '__builtin__']) {
    table.set(`${module}.dict`, ([items]) => toMap(items));
    table.set(`${module}.list`, ([items]) => toList(items));
    table.set(`${module}.tuple`, ([items]) => toList(items));
    table.set(`${module}.set`, ([items]) => toSet(items));
    table.set(`${module}.frozenset`, ([items]) => toSet(items));
    table.set(`${module}.bytearray`, toBytes);
    table.set(`${module}.bytes`, toBytes);
  }
  for (const module of ['numpy.core.multiarray', 'numpy._core.multiarray']) {
    table.set(`${module}.scalar`, (args) => numpyScalar(args, where));
    table.set(`${module}._reconstruct`, () => new NumpyArray(where));
  }
  for (const module of ['numpy.core.numeric', 'numpy._core.numeric']) {
    table.set(`${module}._frombuffer`, ([bytes, dtype, shape, order]) => {
      const made = new NumpyArray(where);
      made.build([1, shape, dtype, order === 'F', bytes]);
      return made;
    });
  }
  // Objects of protocols below 2: (class, base, base's state).
  for (const module of ['copyreg', 'copy_reg']) {
    table.set(`${module}._reconstructor`, ([type]) => {
      if (!(type instanceof PickleGlobal)) return undefined;
      return table.get(type.path)?.([]) ?? new PickleObject(type.path, []);
    });
  }
  return table;
}
