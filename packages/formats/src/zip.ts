/**
 * Reading ZIP and ZIP64 archives (PKWARE APPNOTE 6.3): stored and deflated entries, found through the central directory.
 * Names, sizes, positions and checksums are checked; nothing is written anywhere.
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { crc32, inflateRawSync } from 'node:zlib';
import { DataError, messageOf } from '@unlabel/core';
import { latin1, readUint64, utf8, viewOf } from './bytes.ts';
import { openForReading } from './files.ts';
import { scanBytes, scanDescriptor, scanDescriptorLater, scanFile, type Scan } from './scan.ts';

export interface ZipEntry {
  readonly name: string;
  /** Bytes of its content. */
  readonly size: number;
  readonly compressedSize: number;
  readonly isDeflated: boolean;
  readonly crc: number;
  /** Where its local header starts. */
  readonly offset: number;
}

export interface ZipArchive {
  /** Files by name, in the order of the directory; folders are left out. */
  readonly entries: ReadonlyMap<string, ZipEntry>;
  /**
   * The content of a file. Stored content is a view of the archive's memory, not a copy.
   * @throws DataError for an unknown name, or content that does not match its stated size and checksum
   */
  read(name: string): Uint8Array;
}

export interface ZipReader {
  readonly entries: ReadonlyMap<string, ZipEntry>;
  read(name: string): Promise<Uint8Array>;
  close(): Promise<void>;
}

const maxEntries = 1_000_000;
/** All content together may be this large whatever the archive's size, beyond it at most `maxRatio` times the archive. */
const smallBytes = 2 ** 26;
/** Arrays compress to a few per cent at best; DEFLATE itself reaches 1032, which only bombs use. */
const maxRatio = 100;

interface Directory {
  readonly entries: ReadonlyMap<string, ZipEntry>;
  /** Where the directory starts, which no entry's content may reach. */
  readonly start: number;
}

/**
 * Reads the directory of an archive held in memory.
 * @throws DataError when it is not a ZIP archive, or its directory is damaged or names paths outside of a folder
 */
export function readZip(bytes: Uint8Array, name = 'zip'): ZipArchive {
  const directory = scanBytes(scanDirectory(bytes.length, name), bytes);
  return {
    entries: directory.entries,
    read: (entry) => scanBytes(scanEntry(directory, entry, name), bytes),
  };
}

/**
 * Opens an archive on disk; entries are read when asked for. Close it when done.
 * @throws DataError as `readZip` does
 */
export async function openZip(path: string): Promise<ZipReader> {
  const { handle, size } = await openForReading(path);
  try {
    const directory = await scanFile(scanDirectory(size, path), handle, path);
    return {
      entries: directory.entries,
      read: (entry) => scanFile(scanEntry(directory, entry, path), handle, path),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

export interface ZipFile extends ZipArchive {
  /** The content of an entry, in memory of its own. */
  read(name: string): Uint8Array;
  /** The same while other work goes on. */
  readLater(name: string): Promise<Uint8Array>;
  close(): void;
}

/**
 * The same without waiting, for readers that are asked for values and not for promises of them.
 * @throws DataError as `readZip` does
 */
export function openZipSync(path: string): ZipFile {
  const descriptor = openSync(path, 'r');
  try {
    const directory = scanDescriptor(scanDirectory(fstatSync(descriptor).size, path), descriptor, path);
    return {
      entries: directory.entries,
      read: (entry) => scanDescriptor(scanEntry(directory, entry, path), descriptor, path),
      readLater: (entry) => scanDescriptorLater(scanEntry(directory, entry, path), descriptor, path),
      close: () => closeSync(descriptor),
    };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function* scanDirectory(size: number, name: string): Scan<Directory> {
  const fault = (what: string): DataError => new DataError(`${name}: ${what}`);
  const tailStart = Math.max(0, size - 65557); // the end record and the longest comment
  const tail = yield { offset: tailStart, length: size - tailStart };
  const view = viewOf(tail);
  let end = tail.length - 22;
  const isEnd = (at: number): boolean =>
    view.getUint32(at, true) === 0x06054b50 && at + 22 + view.getUint16(at + 20, true) === tail.length;
  while (end >= 0 && !isEnd(end)) end--;
  if (end < 0) throw fault('expected a ZIP archive: it has no end record');
  let disk = view.getUint16(end + 4, true);
  let count = view.getUint16(end + 10, true);
  let bytes = view.getUint32(end + 12, true);
  let start = view.getUint32(end + 16, true);
  let limit = tailStart + end;
  if (end >= 20 && view.getUint32(end - 20, true) === 0x07064b50) {
    const at = readUint64(view, end - 12);
    if (at + 56 > limit) throw fault('its ZIP64 end record is not where the archive says');
    const record = viewOf(yield { offset: at, length: 56 });
    if (record.getUint32(0, true) !== 0x06064b50) throw fault('its ZIP64 end record is damaged');
    disk = record.getUint32(16, true);
    count = readUint64(record, 32);
    bytes = readUint64(record, 40);
    start = readUint64(record, 48);
    limit = at;
  }
  if (disk !== 0) throw fault('it is one part of a split archive');
  if (count > maxEntries || count * 46 > bytes) throw fault(`its end record states ${count} entries in ${bytes} bytes`);
  if (start + bytes > limit) throw fault('its directory does not lie within the file');
  const table = yield { offset: start, length: bytes };
  const entries = parseEntries(table, count, start, fault);
  const content = [...entries.values()].reduce((sum, entry) => sum + entry.size, 0);
  if (content > Math.max(smallBytes, maxRatio * size)) {
    throw fault(`its ${size} bytes state ${content} of content; more than ${maxRatio} times as much is not unpacked`);
  }
  return { entries, start };
}

function parseEntries(
  table: Uint8Array,
  count: number,
  limit: number,
  fault: (what: string) => DataError,
): ReadonlyMap<string, ZipEntry> {
  const view = viewOf(table);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > table.length || view.getUint32(at, true) !== 0x02014b50)
      throw fault(`directory entry ${i} is damaged`);
    const flags = view.getUint16(at + 8, true);
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const next = extraEnd + view.getUint16(at + 32, true);
    if (next > table.length) throw fault(`directory entry ${i} is damaged`);
    const name = checkName(table.subarray(at + 46, nameEnd), fault);
    const where = `entry ${JSON.stringify(name)}`;
    const method = view.getUint16(at + 10, true);
    const sizes = {
      size: view.getUint32(at + 24, true),
      compressedSize: view.getUint32(at + 20, true),
      offset: view.getUint32(at + 42, true),
    };
    widenSizes(sizes, view, nameEnd, extraEnd);
    if (flags & 1) throw fault(`${where} is encrypted`);
    if (method !== 0 && method !== 8)
      throw fault(`${where} is compressed by method ${method}, expected stored or deflated`);
    if (sizes.offset + 30 + sizes.compressedSize > limit) throw fault(`${where} does not lie before the directory`);
    if (method === 0 && sizes.size !== sizes.compressedSize)
      throw fault(`${where} is stored, with two different sizes`);
    if (entries.has(name)) throw fault(`${where} stands in the directory twice`);
    if (!name.endsWith('/'))
      entries.set(name, { name, isDeflated: method === 8, crc: view.getUint32(at + 16, true), ...sizes });
    at = next;
  }
  let reached = 0; // content shared by many entries is how small archives unpack to huge ones
  for (const entry of [...entries.values()].sort((a, b) => a.offset - b.offset)) {
    if (entry.offset < reached) throw fault(`entry ${JSON.stringify(entry.name)} overlaps the one before it`);
    reached = entry.offset + 30 + entry.compressedSize;
  }
  return entries;
}

/** ZIP64 sizes stand in extra field 1, those that did not fit, in this order. */
function widenSizes(
  sizes: { size: number; compressedSize: number; offset: number },
  view: DataView,
  start: number,
  end: number,
): void {
  for (let at = start; at + 4 <= end; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    const fieldEnd = Math.min(end, at + 4 + view.getUint16(at + 2, true));
    let field = at + 4;
    for (const key of ['size', 'compressedSize', 'offset'] as const) {
      if (sizes[key] !== 0xffffffff || field + 8 > fieldEnd) continue;
      sizes[key] = readUint64(view, field);
      field += 8;
    }
    return;
  }
}

function checkName(bytes: Uint8Array, fault: (what: string) => DataError): string {
  const name = utf8(bytes, fault('an entry name').message);
  const isUnsafe =
    name === '' || name.startsWith('/') || /[\\\0]|^[A-Za-z]:/.test(name) || name.split('/').includes('..');
  if (isUnsafe) throw fault(`entry ${JSON.stringify(name)} names a path outside of the archive`);
  return name;
}

/** Whether a local header says what the directory says: readers differ in which of the two they believe. */
function agrees(local: DataView, entry: ZipEntry): boolean {
  const flags = local.getUint16(6, true);
  if (flags & 1 || local.getUint16(8, true) !== (entry.isDeflated ? 8 : 0)) return false;
  if (flags & 8) return true; // sizes and checksum follow the content instead
  const isSize = (at: number, size: number): boolean => {
    const stated = local.getUint32(at, true);
    return stated === 0xffffffff || stated === size; // ZIP64 sizes stand in an extra field
  };
  return local.getUint32(14, true) === entry.crc && isSize(18, entry.compressedSize) && isSize(22, entry.size);
}

function* scanEntry(directory: Directory, entryName: string, name: string): Scan<Uint8Array> {
  const entry = directory.entries.get(entryName);
  if (!entry) throw new DataError(`${name}: it has no entry ${JSON.stringify(entryName)}`);
  const fault = (what: string): DataError => new DataError(`${name}: entry ${JSON.stringify(entryName)} ${what}`);
  const head = yield { offset: entry.offset, length: 30 };
  const view = viewOf(head);
  if (latin1(head, 0, 4) !== 'PK\x03\x04') throw fault('has no local header where the directory says');
  if (!agrees(view, entry)) throw fault('is not what its local header says (encryption, method, sizes or checksum)');
  const nameLength = view.getUint16(26, true);
  const start = entry.offset + 30 + nameLength + view.getUint16(28, true);
  if (start + entry.compressedSize > directory.start) throw fault('reaches into the directory');
  const localName = yield { offset: entry.offset + 30, length: nameLength };
  if (utf8(localName, `${name}: a local name`) !== entryName) throw fault('has another name in its local header');
  const stored = yield { offset: start, length: entry.compressedSize };
  let content = stored;
  if (entry.isDeflated) {
    try {
      content = inflateRawSync(stored, { maxOutputLength: Math.max(1, entry.size) });
    } catch (cause) {
      throw fault(`is damaged or larger than its ${entry.size} bytes (${messageOf(cause)})`);
    }
  }
  if (content.length !== entry.size) throw fault(`has ${content.length} bytes, the directory states ${entry.size}`);
  if (crc32(content) !== entry.crc) throw fault('does not match its checksum');
  return content;
}
