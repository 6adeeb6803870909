/** Safetensors files: writing, reading from memory, and lazy reading from disk. */
import { DataError, type NdArray, type TypedArray } from '@unlabel/core';
import { bytesOf, checkedSize, concatBytes } from './bytes.ts';
import { elementsFromBytes, elementTypeOf, float32ToBfloat16, float32ToHalf, int32ToInt64 } from './dtype.ts';
import { openForReading, readExactly } from './files.ts';
import {
  headerLength,
  parseHeader,
  type SafetensorsDtype,
  type SafetensorsHeader,
  type TensorInfo,
} from './safetensors-header.ts';

export type { SafetensorsDtype, TensorInfo } from './safetensors-header.ts';

export interface TensorToWrite extends NdArray<TypedArray> {
  /**
   * How it is stored; by default as it is (F32, F64, I32, U8). Also F16 and BF16 from a Float32Array (rounded to nearest
   * even), I64 from an Int32Array, BOOL from a Uint8Array of 0 and 1.
   */
  readonly dtype?: SafetensorsDtype;
}

/** A safetensors file held in memory. Each read gives memory of its own. */
export interface Safetensors {
  /** In the order of the header. */
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  /** @throws DataError for an unknown name */
  info(name: string): TensorInfo;
  /**
   * F32, F16, BF16 → Float32Array; F64 → Float64Array; I64, I32, I16, I8 → Int32Array; U8, BOOL → Uint8Array.
   * @throws DataError for an unknown name, or a 64-bit integer that does not fit 32 bits
   */
  read(name: string): NdArray<TypedArray>;
  /**
   * The same for tensors of floats; F64 is rounded.
   * @throws DataError for an unknown name or a tensor of integers
   */
  readFloat32(name: string): NdArray;
}

/** A safetensors file on disk; only its header is in memory. Close it when done. */
export interface SafetensorsReader extends Pick<Safetensors, 'names' | 'metadata' | 'info'> {
  read(name: string): Promise<NdArray<TypedArray>>;
  readFloat32(name: string): Promise<NdArray>;
  close(): Promise<void>;
}

const order: readonly SafetensorsDtype[] = ['I64', 'F64', 'F32', 'I32', 'BF16', 'F16', 'I16', 'I8', 'U8', 'BOOL'];

/**
 * The parts of a safetensors file, to be written one after another without a second copy of the weights. Tensors stand in the
 * reference implementation's order (wider elements first, then by name), so every tensor is aligned to its elements and equal
 * input gives equal bytes.
 * @throws DataError for a shape that does not match its data, or a dtype that the array's kind cannot be stored as
 */
export function encodeSafetensorsParts(
  tensors: Readonly<Record<string, TensorToWrite>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const entries = Object.entries(tensors).map(([name, tensor]) => {
    if (name === '__metadata__') throw new DataError('encodeSafetensors: no tensor can be called __metadata__');
    const where = `encodeSafetensors: tensor ${JSON.stringify(name)}`;
    if (checkedSize(tensor.shape, where) !== tensor.data.length) {
      throw new DataError(
        `${where}: shape [${tensor.shape.join(', ')}] does not hold its ${tensor.data.length} elements`,
      );
    }
    const dtype = tensor.dtype ?? elementTypeOf(tensor.data);
    return { name, dtype, shape: tensor.shape, bytes: storedBytes(tensor.data, dtype, where) };
  });
  entries.sort((a, b) => order.indexOf(a.dtype) - order.indexOf(b.dtype) || (a.name < b.name ? -1 : 1));
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string')
      throw new DataError(`encodeSafetensors: metadata ${JSON.stringify(key)} is not a string`);
  }
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  let at = 0;
  for (const { name, dtype, shape, bytes } of entries) {
    header.push([name, { dtype, shape, data_offsets: [at, at + bytes.byteLength] }]);
    at += bytes.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const head = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true);
  head.set(json, 8);
  return [head, ...entries.map((entry) => entry.bytes)];
}

/** The same in one piece; see `encodeSafetensorsParts`. */
export function encodeSafetensors(
  tensors: Readonly<Record<string, TensorToWrite>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  return concatBytes(encodeSafetensorsParts(tensors, metadata));
}

function storedBytes(data: TypedArray, dtype: SafetensorsDtype, where: string): Uint8Array {
  if (dtype === elementTypeOf(data)) return bytesOf(data);
  if (dtype === 'F16' && data instanceof Float32Array) return bytesOf(float32ToHalf(data));
  if (dtype === 'BF16' && data instanceof Float32Array) return bytesOf(float32ToBfloat16(data));
  if (dtype === 'I64' && data instanceof Int32Array) return int32ToInt64(data);
  if (dtype === 'BOOL' && data instanceof Uint8Array && data.every((value) => value <= 1)) return data;
  throw new DataError(`${where}: a ${data.constructor.name} cannot be stored as ${dtype}`);
}

/**
 * Reads a safetensors file held in memory.
 * @param name stands in front of error messages
 * @throws DataError when the file is malformed: see `parseHeader` for what is checked before anything is read
 */
export function parseSafetensors(bytes: Uint8Array, name = 'safetensors'): Safetensors {
  const length = headerLength(bytes.subarray(0, 8), bytes.length, name);
  const header = parseHeader(bytes.subarray(8, 8 + length), bytes.length, name);
  const read = (key: string): NdArray<TypedArray> => {
    const info = findTensor(header, key, name);
    return toArray(
      info,
      bytes.subarray(info.offset, info.offset + info.bytes),
      `${name}: tensor ${JSON.stringify(key)}`,
    );
  };
  return {
    names: [...header.tensors.keys()],
    metadata: header.metadata,
    info: (key) => findTensor(header, key, name),
    read,
    readFloat32: (key) => toFloat32(read(key), `${name}: tensor ${JSON.stringify(key)}`),
  };
}

/**
 * Opens a safetensors file; tensors are read when asked for.
 * @throws DataError naming the file when it is missing or malformed
 */
export async function openSafetensors(path: string): Promise<SafetensorsReader> {
  const { handle, size } = await openForReading(path);
  let header: SafetensorsHeader;
  try {
    const length = headerLength(await readExactly(handle, 0, Math.min(8, size), path), size, path);
    header = parseHeader(await readExactly(handle, 8, length, path), size, path);
  } catch (error) {
    await handle.close();
    throw error;
  }
  const read = async (key: string): Promise<NdArray<TypedArray>> => {
    const info = findTensor(header, key, path);
    return toArray(
      info,
      await readExactly(handle, info.offset, info.bytes, path),
      `${path}: tensor ${JSON.stringify(key)}`,
    );
  };
  return {
    names: [...header.tensors.keys()],
    metadata: header.metadata,
    info: (key) => findTensor(header, key, path),
    read,
    readFloat32: async (key) => toFloat32(await read(key), `${path}: tensor ${JSON.stringify(key)}`),
    close: () => handle.close(),
  };
}

function findTensor(header: SafetensorsHeader, key: string, file: string): TensorInfo {
  const info = header.tensors.get(key);
  if (info) return info;
  const some = [...header.tensors.keys()].slice(0, 5).join(', ');
  throw new DataError(`${file}: it has no tensor ${JSON.stringify(key)}. It has ${header.tensors.size}: ${some}, …`);
}

const toArray = (info: TensorInfo, bytes: Uint8Array, where: string): NdArray<TypedArray> => ({
  data: elementsFromBytes(info.dtype, bytes, where),
  shape: info.shape,
});

function toFloat32({ data, shape }: NdArray<TypedArray>, where: string): NdArray {
  if (data instanceof Float32Array) return { data, shape };
  if (data instanceof Float64Array) return { data: Float32Array.from(data), shape };
  throw new DataError(`${where}: expected floats, found ${elementTypeOf(data)}`);
}
