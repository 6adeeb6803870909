/**
 * Tar archives (POSIX ustar and pax, GNU long names), read as a stream and as hostile input: regular files and folders only, with
 * bounds on counts and sizes. POSIX.1-2001 (pax), GNU tar manual "Basic Tar Format".
 */
import { DataError } from '@unlabel/core';

export interface TarEntry {
  /** As the archive states it, `/` between its parts; see `safeTarPath`. */
  readonly name: string;
  readonly type: 'file' | 'folder';
  /** Bytes of content; 0 for a folder. */
  readonly size: number;
  /** The content, to be read to its end before the next entry; what is left is passed over. */
  readonly content: AsyncIterable<Uint8Array>;
}

export interface TarLimits {
  /** Default a million. */
  readonly entries?: number;
  /** Bytes of all content together. Default 2 TB. */
  readonly bytes?: number;
  /** Bytes of one file. Default 64 GiB. */
  readonly fileBytes?: number;
}

const block = 512;
/** A long name or a pax header larger than this is no name. */
const maxHeaderBytes = 1 << 20;

/**
 * The entries of a tar stream in its order.
 * @param name stands in front of error messages
 * @throws DataError for damage, for what exceeds `limits`, and for links, devices, sparse files and whatever else is neither a file
 * nor a folder
 */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  limits: TarLimits = {},
): AsyncGenerator<TarEntry> {
  const { entries: maxEntries = 1e6, bytes: maxBytes = 2e12, fileBytes = 64 * 2 ** 30 } = limits;
  const source = byteSource(chunks);
  const fault = (what: string): DataError => new DataError(`${name}: ${what}`);
  const exactly = async (count: number, what: string): Promise<Uint8Array> => {
    const bytes = await source.take(count);
    if (bytes.length < count) throw fault(`the archive ends within ${what}`);
    return bytes;
  };
  let entries = 0;
  let total = 0;
  let longName: string | undefined;
  let pax: ReadonlyMap<string, string> = new Map();
  try {
    for (;;) {
      const header = await source.take(block);
      if (header.length === 0) throw fault('the archive ends without its closing blocks; it is truncated');
      if (header.length < block) throw fault('the archive ends within a header');
      if (header.every((byte) => byte === 0)) return; // the first of two; whatever follows is padding
      const raw = parseHeader(header, fault);
      if (++entries > maxEntries) throw fault(`more than ${maxEntries} entries`);
      const stated = pax.get('size');
      const size = stated === undefined ? raw.size : decimal(stated, fault);
      const shown = JSON.stringify(raw.name.slice(0, 100));
      if (raw.type === 'L' || raw.type === 'x' || raw.type === 'g' || raw.type === 'K') {
        if (raw.size > maxHeaderBytes) throw fault(`a header of ${raw.size} bytes before entry ${entries}`);
        const bytes = await exactly(raw.size, 'a header');
        await exactly(padding(raw.size), 'a header');
        if (raw.type === 'L') longName = text(bytes);
        else if (raw.type === 'x') pax = parsePax(bytes, fault);
        // 'g' holds comments and defaults, 'K' the long name of a link's target: neither matters to files
        continue;
      }
      const type = typeOf(raw.type, raw.name);
      if (!type) throw fault(`entry ${shown} is ${kindOf(raw.type)}; only files and folders are taken`);
      const sparse = [...pax.keys()].find((key) => key.startsWith('GNU.sparse'));
      if (sparse !== undefined) throw fault(`entry ${shown} is a sparse file; only plain files are taken`);
      const entryName = pax.get('path') ?? longName ?? raw.name;
      [longName, pax] = [undefined, new Map()];
      if (type === 'folder' && size > 0) throw fault(`folder ${shown} states ${size} bytes of content`);
      if (size > fileBytes) throw fault(`entry ${shown} states ${size} bytes; at most ${fileBytes} are taken`);
      if ((total += size) > maxBytes) throw fault(`more than ${maxBytes} bytes of content`);
      let left = size;
      const content = async function* (): AsyncGenerator<Uint8Array> {
        while (left > 0) {
          const piece = await source.some(left);
          if (piece.length === 0) throw fault(`the archive ends within ${shown}; it is truncated`);
          left -= piece.length;
          yield piece;
        }
      };
      yield { name: entryName, type, size, content: { [Symbol.asyncIterator]: content } };
      while (left > 0) {
        const piece = await source.some(left);
        if (piece.length === 0) throw fault(`the archive ends within ${shown}; it is truncated`);
        left -= piece.length;
      }
      await exactly(padding(size), shown);
    }
  } finally {
    await source.close();
  }
}

/**
 * An entry's name as parts of a path below the target, or a reason against it: absolute paths, drive letters, `..`, empty names,
 * backslashes, control characters, parts that some systems read as another name.
 */
export function safeTarPath(name: string): { readonly parts: readonly string[] } | { readonly fault: string } {
  const trimmed = name.replace(/^(\.\/+)+/, '').replace(/\/+$/, '');
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f\\]/.test(name)) return { fault: 'its name has control characters or backslashes' };
  if (name.startsWith('/') || /^[a-z]:/i.test(name)) return { fault: 'its name is an absolute path' };
  const parts = trimmed === '' || trimmed === '.' ? [] : trimmed.split(/\/+/).filter((part) => part !== '.');
  if (parts.includes('..')) return { fault: 'its name leads out of the folder' };
  if (parts.some((part) => part.length > 255)) return { fault: 'a part of its name is longer than 255 characters' };
  if (parts.length > 32) return { fault: 'it is more than 32 folders deep' };
  if (parts.some((part) => /[:<>"|?*]/.test(part) || /[. ]$/.test(part)))
    return { fault: 'a part of its name is none on every system (: < > " | ? *, or a point or space at its end)' };
  return { parts };
}

interface RawHeader {
  readonly name: string;
  readonly size: number;
  readonly type: string;
}

function parseHeader(header: Uint8Array, fault: (what: string) => DataError): RawHeader {
  const sum = octal(header.subarray(148, 156));
  let actual = 0;
  for (let i = 0; i < block; i++) actual += i >= 148 && i < 156 ? 32 : header[i]!;
  if (sum !== actual) throw fault('a header’s checksum does not fit; this is no tar archive, or a damaged one');
  const magic = text(header.subarray(257, 262));
  const prefix = magic === 'ustar' && header[262] === 0 ? text(header.subarray(345, 500)) : ''; // GNU keeps times there
  const own = text(header.subarray(0, 100));
  const size = sizeOf(header.subarray(124, 136));
  if (size === undefined) throw fault(`entry ${JSON.stringify(own)} states a size that cannot be`);
  return { name: prefix === '' ? own : `${prefix}/${own}`, size, type: String.fromCharCode(header[156]!) };
}

/** Old archives mark folders by the slash at the end of a file's name. */
function typeOf(flag: string, name: string): TarEntry['type'] | undefined {
  if (flag === '5') return 'folder';
  if (flag === '0' || flag === '\0' || flag === '7') return name.endsWith('/') && flag === '\0' ? 'folder' : 'file';
  return undefined;
}

const kinds: Readonly<Record<string, string>> = {
  '1': 'a hard link',
  '2': 'a symbolic link',
  '3': 'a character device',
  '4': 'a block device',
  '6': 'a named pipe',
  S: 'a sparse file',
};
const kindOf = (flag: string): string => kinds[flag] ?? `of type ${JSON.stringify(flag)}`;

/** Octal digits, or a base-256 number when the first bit is set (GNU). */
function sizeOf(field: Uint8Array): number | undefined {
  if (field[0]! & 0x80) {
    if (field[0] !== 0x80) return undefined; // negative, or beyond 2^88
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
    return Number.isSafeInteger(value) ? value : undefined;
  }
  return octal(field);
}

function octal(field: Uint8Array): number | undefined {
  const digits = text(field).trim();
  return digits === '' ? 0 : /^[0-7]+$/.test(digits) ? parseInt(digits, 8) : undefined;
}

function decimal(digits: string, fault: (what: string) => DataError): number {
  const value = /^\d{1,16}$/.test(digits) ? Number(digits) : NaN;
  if (!Number.isSafeInteger(value)) throw fault(`a pax header states the size ${JSON.stringify(digits)}`);
  return value;
}

/** Records `<length> <key>=<value>\n`. */
function parsePax(bytes: Uint8Array, fault: (what: string) => DataError): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  let at = 0;
  while (at < bytes.length && bytes[at] !== 0) {
    const space = bytes.indexOf(32, at);
    const length = space < 0 ? NaN : Number(text(bytes.subarray(at, space)));
    const end = at + length;
    const record =
      Number.isInteger(length) && end > space && end <= bytes.length ? bytes.subarray(space + 1, end) : undefined;
    const equals = record?.indexOf(61) ?? -1;
    if (!record || equals < 1 || record.at(-1) !== 10) throw fault('a pax header is malformed');
    values.set(text(record.subarray(0, equals)), new TextDecoder().decode(record.subarray(equals + 1, -1)));
    at = end;
  }
  return values;
}

/** Up to the first NUL, UTF-8. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

const padding = (size: number): number => (block - (size % block)) % block;

/** Chunks of any size as pieces of asked sizes. */
function byteSource(chunks: AsyncIterable<Uint8Array>): {
  /** Exactly `count` bytes, fewer at the end. */
  take(count: number): Promise<Uint8Array>;
  /** One to `most` bytes, none at the end. */
  some(most: number): Promise<Uint8Array>;
  close(): Promise<void>;
} {
  const iterator = chunks[Symbol.asyncIterator]();
  let held: Uint8Array = new Uint8Array(0);
  const some = async (most: number): Promise<Uint8Array> => {
    while (held.length === 0) {
      const next = await iterator.next();
      if (next.done) return held;
      held = next.value;
    }
    const piece = held.subarray(0, most);
    held = held.subarray(piece.length);
    return piece;
  };
  return {
    some,
    async close() {
      await iterator.return?.();
    },
    async take(count) {
      const out = new Uint8Array(count);
      let done = 0;
      while (done < count) {
        const piece = await some(count - done);
        if (piece.length === 0) return out.subarray(0, done);
        out.set(piece, done);
        done += piece.length;
      }
      return out;
    },
  };
}
