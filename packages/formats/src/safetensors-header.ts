/** The header of a safetensors file, checked before a tensor is read: huggingface/safetensors, README "Format". */
import { DataError, messageOf } from '@unlabel/core';
import { checkedSize, readUint64, utf8, viewOf } from './bytes.ts';
import { elementBytes, type ElementType } from './dtype.ts';

export type SafetensorsDtype = 'F64' | 'F32' | 'F16' | 'BF16' | 'I64' | 'I32' | 'I16' | 'I8' | 'U8' | 'BOOL';

export interface TensorInfo {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Where its bytes start in the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Room for 100,000 tensors; the reference implementation reads up to 100 MB, which takes it seconds to refuse. */
const maxHeader = 2 ** 24;
/** The root, a tensor, its shape. */
const maxDepth = 3;

/** Bytes of the JSON text, which follows the first 8 bytes of a file of `size` bytes. */
export function headerLength(first8: Uint8Array, size: number, name: string): number {
  if (first8.length < 8) throw new DataError(`${name}: expected a safetensors file, found ${size} bytes`);
  const length = readUint64(viewOf(first8), 0);
  if (length > maxHeader)
    throw new DataError(`${name}: the header states ${length} bytes, at most ${maxHeader} are read`);
  if (8 + length > size)
    throw new DataError(`${name}: the header states ${length} bytes, the file has ${size - 8} after it`);
  return length;
}

/**
 * Checks and reads the JSON text of a header.
 * @param json the bytes after the first 8
 * @param size bytes of the whole file
 * @throws DataError for malformed JSON, keys given twice, unknown element types, shapes that do not match their offsets,
 * and tensors that overlap, leave holes or do not end with the file
 */
export function parseHeader(json: Uint8Array, size: number, name: string): SafetensorsHeader {
  const text = utf8(json, `${name}: header`);
  if (!text.startsWith('{')) throw new DataError(`${name}: expected a safetensors header starting with {`);
  refuseDepth(json, name);
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch (cause) {
    throw new DataError(`${name}: the header is not JSON (${messageOf(cause)})`, { cause });
  }
  refuseDuplicateKeys(text, name);
  const start = 8 + json.length;
  const tensors = new Map<string, TensorInfo>();
  let metadata: Readonly<Record<string, string>> = {};
  for (const [key, value] of Object.entries(root as object)) {
    if (key === '__metadata__') metadata = checkMetadata(value, name);
    else tensors.set(key, checkEntry(value, start, size, `${name}: tensor ${JSON.stringify(key)}`));
  }
  checkLayout(tensors, start, size, name);
  return { tensors, metadata };
}

function checkMetadata(value: unknown, name: string): Record<string, string> {
  const entries =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : undefined;
  if (!entries || entries.some(([, item]) => typeof item !== 'string')) {
    throw new DataError(`${name}: __metadata__ must map names to strings`);
  }
  return Object.fromEntries(entries) as Record<string, string>; // fromEntries keeps a "__proto__" key harmless
}

function checkEntry(value: unknown, start: number, size: number, where: string): TensorInfo {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DataError(`${where}: expected an object`);
  }
  const { dtype, shape, data_offsets: offsets, ...rest } = value as Record<string, unknown>;
  const extra = Object.keys(rest)[0];
  if (extra !== undefined) throw new DataError(`${where}: unknown field ${JSON.stringify(extra)}`);
  if (typeof dtype !== 'string' || !Object.hasOwn(elementBytes, dtype)) {
    throw new DataError(
      `${where}: dtype ${JSON.stringify(dtype)} is not read, expected ${Object.keys(elementBytes).join(' ')}`,
    );
  }
  if (!Array.isArray(shape)) throw new DataError(`${where}: it has no shape`);
  const count = checkedSize(shape, where);
  const [begin, end] = Array.isArray(offsets) && offsets.length === 2 ? (offsets as unknown[]) : [];
  if (!isOffset(begin) || !isOffset(end) || begin > end || start + end > size) {
    throw new DataError(
      `${where}: data_offsets ${JSON.stringify(offsets)} do not lie within the ${size - start} bytes of data`,
    );
  }
  const bytes = count * elementBytes[dtype as ElementType];
  if (end - begin !== bytes) {
    throw new DataError(
      `${where}: ${dtype} of shape [${shape.join(', ')}] takes ${bytes} bytes, its offsets span ${end - begin}`,
    );
  }
  return { dtype: dtype as SafetensorsDtype, shape: shape as number[], offset: start + begin, bytes };
}

const isOffset = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Tensors must follow each other and fill the file: bytes that no tensor names could hide another format. */
function checkLayout(tensors: ReadonlyMap<string, TensorInfo>, start: number, size: number, name: string): void {
  const order = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.bytes - b.bytes);
  let at = start;
  for (const [key, { offset, bytes }] of order) {
    if (offset !== at) {
      const how = offset < at ? 'overlaps the tensor before it' : `leaves ${offset - at} unused bytes before it`;
      throw new DataError(`${name}: tensor ${JSON.stringify(key)} ${how}`);
    }
    at += bytes;
  }
  if (at !== size) throw new DataError(`${name}: ${size - at} bytes after the last tensor`);
}

/** Before `JSON.parse`, which builds whatever is nested. */
function refuseDepth(json: Uint8Array, name: string): void {
  const [quote, backslash] = [0x22, 0x5c];
  let depth = 0;
  let isString = false;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at]!;
    if (isString) {
      if (byte === backslash) at++;
      else if (byte === quote) isString = false;
    } else if (byte === quote) isString = true;
    else if (byte === 0x5b || byte === 0x7b) depth++;
    else if (byte === 0x5d || byte === 0x7d) depth--;
    if (depth > maxDepth) throw new DataError(`${name}: the header is nested more than ${maxDepth} deep`);
  }
}

/** `JSON.parse` keeps the last of equal keys, and which one other readers keep differs. `text` is valid JSON. */
function refuseDuplicateKeys(text: string, name: string): void {
  const token = /"(?:[^"\\]|\\.)*"|[{}[\]]/g;
  const open: (Set<string> | undefined)[] = []; // one entry per open bracket; arrays have no keys
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const t = match[0];
    if (t === '{') open.push(new Set());
    else if (t === '[') open.push(undefined);
    else if (t === '}' || t === ']') open.pop();
    else if (/\s*:/y.test(text.slice(token.lastIndex, token.lastIndex + 64))) {
      const key = JSON.parse(t) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) throw new DataError(`${name}: the key ${JSON.stringify(key)} stands in the header twice`);
      keys?.add(key);
    }
  }
}
