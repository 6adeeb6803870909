/**
 * Takes chosen members out of a wheel (a zip file) of any size without holding one in memory: each is inflated as a
 * stream into its file while its sha256 is compared with the wheel's own RECORD. PKWARE APPNOTE 6.3.10; zip64 and
 * encryption are refused. The wheel is hostile until its hashes agree: names are checked before a path is made of them.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';

import { DeviceError } from '@unlabel/core';

export interface WheelEntry {
  readonly name: string;
  readonly method: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  readonly headerOffset: number;
}

const END_BYTES = 22;
const MAX_COMMENT = 65_535;
const LOCAL_BYTES = 30;
const MAX_RECORD_BYTES = 64 * 1024 * 1024;

const broken = (file: string, why: string): DeviceError =>
  new DeviceError(`${file}: not a usable wheel (${why}). Delete it and run the installation again.`);

async function readAt(file: string, offset: number, length: number): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await handle.read(buffer, 0, length, offset);
    if (bytesRead !== length) throw broken(file, `ends before byte ${offset + length}`);
    return buffer;
  } finally {
    await handle.close();
  }
}

/** The central directory of a wheel. Throws DeviceError when it is not a plain zip file. */
export async function listWheel(file: string): Promise<readonly WheelEntry[]> {
  const handle = await open(file, 'r');
  const size = (await handle.stat()).size;
  await handle.close();
  const tailLength = Math.min(size, END_BYTES + MAX_COMMENT);
  const tail = await readAt(file, size - tailLength, tailLength);
  let end = -1;
  for (let at = tail.length - END_BYTES; at >= 0 && end < 0; at--) if (tail.readUInt32LE(at) === 0x06054b50) end = at;
  if (end < 0) throw broken(file, 'no end-of-directory record');
  const count = tail.readUInt16LE(end + 10);
  const directoryBytes = tail.readUInt32LE(end + 12);
  const directoryOffset = tail.readUInt32LE(end + 16);
  if (count === 0xffff || directoryOffset === 0xffffffff) throw broken(file, 'zip64');
  if (directoryOffset + directoryBytes > size) throw broken(file, 'directory beyond the end');
  const directory = await readAt(file, directoryOffset, directoryBytes);
  const entries: WheelEntry[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== 0x02014b50) throw broken(file, 'directory entry');
    const nameLength = directory.readUInt16LE(at + 28);
    const next = at + 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    if (next > directory.length) throw broken(file, 'directory entry');
    const name = directory.toString('utf8', at + 46, at + 46 + nameLength);
    if ((directory.readUInt16LE(at + 8) & 1) !== 0) throw broken(file, `${name} is encrypted`);
    entries.push({
      name,
      method: directory.readUInt16LE(at + 10),
      compressedBytes: directory.readUInt32LE(at + 20),
      bytes: directory.readUInt32LE(at + 24),
      headerOffset: directory.readUInt32LE(at + 42),
    });
    at = next;
  }
  return entries;
}

async function dataOffset(file: string, entry: WheelEntry): Promise<number> {
  const header = await readAt(file, entry.headerOffset, LOCAL_BYTES);
  if (header.readUInt32LE(0) !== 0x04034b50) throw broken(file, `local header of ${entry.name}`);
  return entry.headerOffset + LOCAL_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
}

/** A pass-through that hashes and counts; fails as soon as there is more than `limit`. */
function meter(limit: number, name: string, onBytes?: (bytes: number) => void) {
  const hash = createHash('sha256');
  let bytes = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > limit) return done(new DeviceError(`${name}: more than the ${limit} bytes the wheel announces.`));
      hash.update(chunk);
      onBytes?.(chunk.length);
      done(null, chunk);
    },
  });
  return { stream, bytes: () => bytes, digest: () => hash.digest('base64url') };
}

async function inflateTo(
  file: string,
  entry: WheelEntry,
  target: NodeJS.WritableStream,
  onBytes?: (n: number) => void,
) {
  if (entry.method !== 0 && entry.method !== 8) throw broken(file, `${entry.name} uses compression ${entry.method}`);
  const start = await dataOffset(file, entry);
  const gauge = meter(entry.bytes, entry.name, onBytes);
  if (entry.compressedBytes > 0) {
    const source = createReadStream(file, { start, end: start + entry.compressedBytes - 1, highWaterMark: 1 << 20 });
    if (entry.method === 8) {
      await pipeline(source, createInflateRaw({ chunkSize: 1 << 20 }), gauge.stream, target);
    } else await pipeline(source, gauge.stream, target);
  } else target.end();
  if (gauge.bytes() !== entry.bytes) throw broken(file, `${entry.name} is ${gauge.bytes()} of ${entry.bytes} bytes`);
  return gauge.digest();
}

/** One member as text, at most 64 MiB. */
export async function readMember(file: string, entry: WheelEntry): Promise<string> {
  if (entry.bytes > MAX_RECORD_BYTES) throw broken(file, `${entry.name} is too big to read at once`);
  const chunks: Buffer[] = [];
  const sink = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  sink.resume();
  await inflateTo(file, entry, sink);
  return Buffer.concat(chunks).toString('utf8');
}

/** `path,sha256=<base64url>,bytes` lines of a RECORD file → hash by path. Paths with commas or quotes are left out. */
export function parseRecord(text: string): ReadonlyMap<string, string> {
  const hashes = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = /^([^",]+),sha256=([A-Za-z0-9_-]{43}),\d+$/.exec(line);
    if (match !== null) hashes.set(match[1]!, match[2]!);
  }
  return hashes;
}

const isSafeName = (name: string): boolean =>
  !name.startsWith('/') && !/[\\\0]/.test(name) && !name.split('/').some((part) => part === '..' || part === '');

/**
 * Writes the members `keep` chooses below `folder` under their own paths, each verified against RECORD.
 * @returns the names written. Throws DeviceError on a hash that differs, a missing RECORD line or a path that leaves the folder.
 */
export async function unpackWheel(
  file: string,
  folder: string,
  keep: (name: string) => boolean,
  onBytes?: (bytes: number) => void,
): Promise<readonly string[]> {
  const entries = await listWheel(file);
  const record = entries.find((entry) => /^[^/]+\.dist-info\/RECORD$/.test(entry.name));
  if (record === undefined) throw broken(file, 'no RECORD');
  const hashes = parseRecord(await readMember(file, record));
  const chosen = entries.filter((entry) => !entry.name.endsWith('/') && keep(entry.name));
  const folders = new Set<string>();
  for (const entry of chosen) {
    const expected = hashes.get(entry.name);
    if (!isSafeName(entry.name)) throw broken(file, `unsafe path ${JSON.stringify(entry.name)}`);
    if (expected === undefined) throw broken(file, `${entry.name} is not in RECORD`);
    const target = join(folder, entry.name);
    if (!folders.has(dirname(target))) await mkdir(dirname(target), { recursive: true });
    folders.add(dirname(target));
    const found = await inflateTo(file, entry, createWriteStream(target, { highWaterMark: 1 << 20 }), onBytes);
    if (found !== expected) throw broken(file, `${entry.name} has sha256 ${found}, RECORD says ${expected}`);
  }
  return chosen.map((entry) => entry.name);
}

/** Hexadecimal sha256 of a file, streamed. */
export async function sha256File(file: string, onBytes?: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
    const bytes = chunk as Buffer; // a stream without an encoding yields buffers
    hash.update(bytes);
    onBytes?.(bytes.length);
  }
  return hash.digest('hex');
}
