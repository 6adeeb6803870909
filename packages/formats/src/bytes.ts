/** Small helpers over raw bytes shared by the readers of this package. Every supported platform is little-endian. */
import { DataError } from '@unlabel/core';

/** A `DataView` over exactly the bytes of `bytes`. */
export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Latin-1 text of a slice. `TextDecoder` is no use here: its "latin1" is Windows-1252, other in 0x80…0x9f. */
export const latin1 = (bytes: Uint8Array, start = 0, end = bytes.length): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', start, end);

/** A chunk name or magic number made printable for a message. */
export const printable = (text: string): string =>
  `"${text.replace(/[^\x20-\x7e]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`;

/** Unsigned 64-bit little-endian integer. Above 2^53 the low bits are lost, which every caller's bounds check refuses. */
export const readUint64 = (view: DataView, offset: number): number =>
  view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 4294967296;

/** UTF-8 text, refusing malformed bytes. */
export function utf8(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new DataError(`${where}: expected UTF-8 text, found bytes that are not`, { cause });
  }
}

/** The parts one after another. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let total = 0;
  for (const part of parts) total += part.byteLength;
  const out = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.byteLength;
  }
  return out;
}

/** The raw bytes of a typed array, sharing its memory. */
export const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/**
 * Number of elements of a shape that came from a file.
 * @throws DataError unless every entry is an integer ≥ 0 and the product, zeros aside, is a safe integer
 */
export function checkedSize(shape: readonly unknown[], where: string): number {
  if (shape.length > 32) throw new DataError(`${where}: expected at most 32 dimensions, found ${shape.length}`);
  let size = 1;
  let bound = 1; // product without zeros, so that [2^52, 2^52, 0] is refused too
  for (const n of shape) {
    if (typeof n !== 'number' || !Number.isSafeInteger(n) || n < 0) {
      throw new DataError(`${where}: expected a shape of integers ≥ 0, found ${JSON.stringify(shape)?.slice(0, 200)}`);
    }
    size *= n;
    bound *= n === 0 ? 1 : n;
    if (!Number.isSafeInteger(bound)) throw new DataError(`${where}: shape [${shape.join(', ')}] is too large`);
  }
  return size;
}

/** A copy in memory of its own. Not `slice()`: on Node's `Buffer` that shares the memory, at an offset no view can have. */
export const copyOf = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);
