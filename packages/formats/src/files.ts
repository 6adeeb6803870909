/** Files written whole or not at all, JSON with named faults, and SHA-256. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DataError, messageOf } from '@unlabel/core';

let temporaryNames = 0;

/**
 * Writes a file so that a reader sees the old content or the new, never a part: temporary name in the same folder, fsync,
 * rename, fsync of the folder. The folder is created when missing. Parts of an array are written one after another.
 * @throws DataError naming the path when the file cannot be written; no temporary file stays behind
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array | readonly Uint8Array[]): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path).slice(0, 150)}.${process.pid}.${temporaryNames++}.tmp`);
  const parts = typeof data === 'string' || data instanceof Uint8Array ? [data] : data;
  let handle: FileHandle | undefined;
  try {
    await mkdir(folder, { recursive: true });
    handle = await open(temporary, 'wx', 0o666);
    for (const part of parts) await handle.writeFile(part);
    await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(temporary, path);
  } catch (cause) {
    await handle?.close().catch(() => {});
    await unlink(temporary).catch(() => {});
    throw new DataError(`${path}: the file could not be written (${messageOf(cause)})`, { cause });
  }
  await syncFolder(folder);
}

/** Makes the rename itself durable. Some platforms cannot open a folder; the content is safe there all the same. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close().catch(() => {});
}

/**
 * Writes `value` as JSON (two spaces, final newline) by `writeFileAtomic`.
 * @throws DataError naming the file and the path of the field for anything JSON would silently change: NaN and ±Infinity,
 * typed arrays, maps and sets, bigint, functions, `undefined` inside arrays, cycles
 */
export async function writeJsonAtomic(path: string, value: unknown): Promise<void> {
  checkJson(value, '', path, []);
  await writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}

function checkJson(value: unknown, field: string, file: string, parents: readonly object[]): void {
  const refuse = (found: string): never => {
    throw new DataError(
      `${file}: ${field === '' ? 'the value' : `field ${field}`} is ${found}, which JSON cannot hold`,
    );
  };
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) refuse(String(value));
    return;
  }
  if (typeof value === 'bigint' || typeof value === 'function' || typeof value === 'symbol')
    refuse(`a ${typeof value}`);
  if (value === undefined && (field === '' || field.endsWith(']'))) refuse('undefined');
  if (typeof value !== 'object' || value === null) return;
  if (parents.includes(value)) refuse('a reference to one of its own parents');
  if (parents.length > 200) refuse('nested more than 200 levels deep');
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) refuse('a typed array (convert it with Array.from)');
  if (value instanceof Map || value instanceof Set) refuse('a Map or Set');
  const inside = [...parents, value];
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    checkJson(value.toJSON(''), field, file, inside);
  } else if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) checkJson(value[i], `${field}[${i}]`, file, inside);
  } else {
    for (const [key, item] of Object.entries(value))
      checkJson(item, field === '' ? key : `${field}.${key}`, file, inside);
  }
}

/**
 * Reads a JSON file.
 * @throws DataError naming the file when it is missing, unreadable, or not JSON
 */
export async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new DataError(`${path}: the file could not be read (${messageOf(cause)})`, { cause });
  }
  try {
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text) as unknown;
  } catch (cause) {
    throw new DataError(`${path}: expected JSON (${messageOf(cause)})`, { cause });
  }
}

/** SHA-256 of bytes (or of a string's UTF-8) as 64 hexadecimal digits. */
export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

/**
 * SHA-256 of a file, streamed, as 64 hexadecimal digits.
 * @throws DataError naming the file when it cannot be read
 */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Uint8Array);
  } catch (cause) {
    throw new DataError(`${path}: the file could not be read (${messageOf(cause)})`, { cause });
  }
  return hash.digest('hex');
}

/**
 * Opens a file for reading at positions.
 * @throws DataError naming the file when it is missing or not a regular file
 */
export async function openForReading(path: string): Promise<{ handle: FileHandle; size: number }> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const stat = await handle.stat();
    if (!stat.isFile()) throw new Error('it is not a regular file');
    return { handle, size: stat.size };
  } catch (cause) {
    await handle?.close().catch(() => {});
    throw new DataError(`${path}: the file could not be opened (${messageOf(cause)})`, { cause });
  }
}

/**
 * Exactly `length` bytes from `offset`.
 * @throws DataError when the file ends before them (it changed since it was opened) or the disk fails
 */
export async function readExactly(
  handle: FileHandle,
  offset: number,
  length: number,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    let read: number;
    try {
      read = (await handle.read(bytes, done, length - done, offset + done)).bytesRead;
    } catch (cause) {
      throw new DataError(`${path}: reading failed (${messageOf(cause)})`, { cause });
    }
    if (read === 0) throw new DataError(`${path}: expected ${length} bytes at ${offset}, the file ended after ${done}`);
    done += read;
  }
  return bytes;
}
