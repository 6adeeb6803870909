/** Tensors of a PyTorch checkpoint: views of storages, gathered into row-major arrays when they are asked for. */
import { DataError, type NdArray, type TypedArray } from '@unlabel/core';
import { checkedSize } from './bytes.ts';
import { elementBytes, elementsFromBytes, type ElementType } from './dtype.ts';
import { PickleGlobal } from './pickle-values.ts';

/** Elements that several tensors may share. */
export interface TorchStorage {
  /** Undefined when the element type is not read; then its tensors are refused when they are needed. */
  readonly type: ElementType | undefined;
  readonly typeName: string;
  /** Number of elements. */
  readonly length: number;
  /** Whether `bytes` gives memory that nothing else holds. */
  readonly isOwned?: boolean;
  /** Its bytes, checked to be as many as `length` takes. */
  bytes(): Uint8Array;
  /** Reads them while other work goes on, so that `bytes` need not wait. */
  preload?(): Promise<void>;
}

const storageTypes: Readonly<Record<string, ElementType>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
  UntypedStorage: 'U8',
};

/** The element type that a storage class stands for: `torch.FloatStorage`, `torch.cuda.FloatStorage`, … */
export function storageType(type: unknown): { typeName: string; type: ElementType | undefined } {
  const typeName = type instanceof PickleGlobal ? type.path : String(type);
  const leaf = typeName.split('.').at(-1)!;
  return { typeName, type: Object.hasOwn(storageTypes, leaf) ? storageTypes[leaf] : undefined };
}

/** A broadcast view (stride 0) can state far more elements than its storage has. */
const maxBroadcast = 1 << 24;

/**
 * A tensor of a checkpoint. `data` is gathered on first access and kept: float32 for float and half types, Float64Array,
 * Int32Array for all integers, Uint8Array for bytes and booleans. Reading it throws DataError when the element type is not
 * read, the storage is missing or of another length, or a 64-bit integer does not fit 32 bits.
 */
export class TorchTensor implements NdArray<TypedArray> {
  readonly shape: readonly number[];
  readonly #storage: TorchStorage;
  readonly #offset: number;
  readonly #strides: readonly number[];
  readonly #where: string;
  #data: TypedArray | undefined;

  /** @throws DataError when shape, strides and offset do not lie within the storage */
  constructor(storage: TorchStorage, offset: unknown, shape: unknown, strides: unknown, where: string) {
    const isList = (list: unknown): list is number[] => Array.isArray(list) && list.every((n) => isIndex(n));
    if (!isIndex(offset) || !isList(shape) || !isList(strides) || shape.length !== strides.length) {
      throw new DataError(`${where}: a tensor with malformed shape, strides or offset`);
    }
    const size = checkedSize(shape, where);
    const last = offset + shape.reduce((sum, n, axis) => sum + (n - 1) * strides[axis]!, 0);
    if (size > 0 && last >= storage.length) {
      throw new DataError(
        `${where}: a tensor [${shape.join(', ')}] with strides [${strides.join(', ')}] from ${offset} leaves its storage of ${storage.length}`,
      );
    }
    if (size > storage.length && size > maxBroadcast) {
      throw new DataError(`${where}: a tensor [${shape.join(', ')}] repeats a storage of ${storage.length} elements`);
    }
    this.shape = [...shape];
    this.#storage = storage;
    this.#offset = offset;
    this.#strides = [...strides];
    this.#where = where;
  }

  /** Element type in the file. */
  get dtype(): string {
    return this.#storage.type ?? this.#storage.typeName;
  }

  /** Begins to read its storage, of files on disk; `data` then does not wait for the disk. */
  preload(): Promise<void> {
    return this.#storage.preload?.() ?? Promise.resolve();
  }

  get data(): TypedArray {
    return (this.#data ??= this.#gather());
  }

  #gather(): TypedArray {
    const { type, typeName } = this.#storage;
    if (!type) throw new DataError(`${this.#where}: tensors of ${typeName} are not read`);
    const width = elementBytes[type];
    const size = checkedSize(this.shape, this.#where);
    const bytes = this.#storage.bytes();
    if (isContiguous(this.shape, this.#strides) || size === 0) {
      const start = size === 0 ? 0 : this.#offset * width;
      const isAligned = (bytes.byteOffset + start) % 4 === 0;
      if (type === 'F32' && this.#storage.isOwned === true && isAligned)
        return new Float32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset + start, size);
      return elementsFromBytes(type, bytes.subarray(start, start + size * width), this.#where);
    }
    const gathered = new Uint8Array(size * width);
    const index = this.shape.map(() => 0);
    let from = this.#offset;
    for (let to = 0; to < size; to++) {
      for (let b = 0; b < width; b++) gathered[to * width + b] = bytes[from * width + b]!;
      for (let axis = this.shape.length - 1; axis >= 0; axis--) {
        from += this.#strides[axis]!;
        if (++index[axis]! < this.shape[axis]!) break;
        from -= this.shape[axis]! * this.#strides[axis]!;
        index[axis] = 0;
      }
    }
    return elementsFromBytes(type, gathered, this.#where);
  }
}

const isIndex = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}
