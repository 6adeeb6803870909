/** ZIP archives of stored files (PKWARE's APPNOTE 6.3.10, §4.3). */
import { crc32 } from 'node:zlib';
import { DataError } from '@unlabel/core';
import { concatBytes } from './bytes.ts';

/**
 * An archive of files by name, not compressed, dated 1980: the same files give the same bytes.
 * @throws DataError for more than ZIP's 65,535 files or 4 GB
 */
export function encodeZip(files: Readonly<Record<string, Uint8Array>>): Uint8Array<ArrayBuffer> {
  const names = Object.entries(files);
  const locals: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [name, content] of names) {
    const entry = new TextEncoder().encode(name);
    const fields = fieldsOf(content, entry.length);
    const local = [bytes(4, (v) => v.setUint32(0, 0x04034b50, true)), fields, entry, content];
    const tail = bytes(14, (v) => v.setUint32(10, offset, true)); // comment, disk, attributes, where the local header lies
    directory.push(
      bytes(6, (v) => (v.setUint32(0, 0x02014b50, true), v.setUint16(4, 20, true))),
      fields,
      tail,
      entry,
    );
    locals.push(...local);
    offset += 4 + fields.length + entry.length + content.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  if (names.length > 0xffff || offset + size > 0xffffffff)
    throw new DataError(
      `encodeZip: ${names.length} files of ${offset} bytes; a ZIP archive holds 65,535 files and 4 GB`,
    );
  const end = bytes(22, (v) => {
    v.setUint32(0, 0x06054b50, true);
    v.setUint16(8, names.length, true);
    v.setUint16(10, names.length, true);
    v.setUint32(12, size, true);
    v.setUint32(16, offset, true);
  });
  return concatBytes([...locals, ...directory, end]);
}

/** What a local header and the directory say alike: version, flags (UTF-8 names), no compression, date, checksum, sizes. */
const fieldsOf = (content: Uint8Array, nameLength: number): Uint8Array =>
  bytes(26, (v) => {
    v.setUint16(0, 20, true);
    v.setUint16(2, 0x0800, true);
    v.setUint16(8, 0x21, true); // 1 January 1980
    v.setUint32(10, crc32(content), true);
    v.setUint32(14, content.length, true);
    v.setUint32(18, content.length, true);
    v.setUint16(22, nameLength, true);
  });

function bytes(length: number, fill: (view: DataView) => unknown): Uint8Array {
  const out = new Uint8Array(length);
  fill(new DataView(out.buffer));
  return out;
}
