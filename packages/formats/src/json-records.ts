/**
 * Records of large JSON files without the file in memory: the elements of a top-level array, or of chosen arrays of a
 * top-level object (COCO's `images`, `annotations`, `categories`), a few megabytes at a time.
 */
import { createReadStream } from 'node:fs';
import { DataError, messageOf } from '@unlabel/core';

/** Called with each element of the array under the key; the key of a top-level array is ''. */
export type RecordHandlers = Readonly<Record<string, (record: unknown) => void>>;

export interface JsonRecordOptions {
  /** Bytes read at a time. */
  readonly chunkBytes?: number;
  /** A single record, or key, of more bytes is refused. */
  readonly maxRecordBytes?: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN = [0x5b, 0x7b]; // [ {

/**
 * Reads the arrays that `handlers` name; everything else is skipped unseen. An error that a handler throws ends the reading.
 * @returns the keys whose arrays were there
 * @throws DataError when the file cannot be read, is not JSON around or within the records, or holds a key twice
 */
export async function readJsonRecords(
  path: string,
  handlers: RecordHandlers,
  { chunkBytes = 2 ** 22, maxRecordBytes = 2 ** 28 }: JsonRecordOptions = {},
): Promise<ReadonlySet<string>> {
  const scanner = createScanner(path, handlers);
  let held = new Uint8Array(0); // bytes that a record or key began in
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes })) {
      const added = chunk as Uint8Array; // a stream without encoding gives bytes
      const bytes = new Uint8Array(held.length + added.length);
      bytes.set(held);
      bytes.set(added, held.length);
      const from = scanner.scan(bytes, held.length);
      held = bytes.slice(from);
      if (held.length > maxRecordBytes)
        throw new DataError(`${path}: a record of more than ${maxRecordBytes} bytes; is it the file that was meant?`);
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && 'syscall' in error)
      throw new DataError(`${path}: could not be read (${messageOf(error)})`, { cause: error });
    throw error;
  }
  return scanner.end();
}

interface Scanner {
  /** Scans from `at` on; @returns where bytes start that are needed again. */
  scan(bytes: Uint8Array, at: number): number;
  end(): ReadonlySet<string>;
}

function createScanner(path: string, handlers: RecordHandlers): Scanner {
  const fault = (what: string): DataError => new DataError(`${path}: ${what}`);
  const found = new Set<string>();
  let depth = 0;
  let isObject = false;
  let isDone = false;
  let inString = false;
  let isEscaped = false;
  let expectsKey = false;
  let key = '';
  /** Depth of the elements while records are collected, else 0. */
  let recordDepth = 0;
  let emitted = 0;

  const emit = (bytes: Uint8Array, from: number, to: number, isLast: boolean): void => {
    const records = parse(`[${decode(bytes, from, to)}]`) as readonly unknown[]; // brackets make it an array
    if (records.length === 0 && !(isLast && emitted === 0))
      throw fault(`is not JSON (${place()}: nothing after a comma)`);
    const handler = handlers[key]!;
    for (const record of records) {
      emitted++;
      handler(record);
    }
  };
  const place = (): string => `${key === '' ? 'the array' : `"${key}"`}, after ${emitted} records`;
  const decode = (bytes: Uint8Array, from: number, to: number): string => {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(from, to));
    } catch {
      throw fault(`is not UTF-8 text (${place()})`);
    }
  };
  const parse = (text: string): unknown => {
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      const hint = /[[,:\s](NaN|-?Infinity)\b/.test(text) ? '; NaN and Infinity are not JSON' : '';
      throw fault(`is not JSON (${place()}: ${messageOf(error).replace(/\s+/g, ' ').slice(0, 120)}${hint})`);
    }
  };
  const startRecords = (): void => {
    if (found.has(key)) throw fault(`holds ${key === '' ? 'two arrays' : `"${key}" twice`}`);
    found.add(key);
    recordDepth = depth;
    emitted = 0;
  };

  return {
    scan(bytes, at) {
      let hold = inString && expectsKey && depth === 1 ? 0 : recordDepth > 0 ? 0 : -1;
      let boundary = -1;
      for (let i = at; i < bytes.length; i++) {
        const byte = bytes[i]!;
        if (inString) {
          if (isEscaped) isEscaped = false;
          else if (byte === BACKSLASH) isEscaped = true;
          else if (byte === QUOTE) {
            inString = false;
            if (expectsKey && depth === 1 && isObject && recordDepth === 0) {
              key = parse(decode(bytes, hold, i + 1)) as string; // a string, as it stands in quotes
              hold = -1;
            }
          }
          continue;
        }
        if (byte <= 0x20) continue;
        if (isDone) throw fault('goes on after the end of its JSON');
        if (byte === QUOTE) {
          inString = true;
          if (expectsKey && depth === 1 && isObject && recordDepth === 0) hold = i;
        } else if (byte === OPEN[0] || byte === OPEN[1]) {
          if (depth === 0) isObject = byte === OPEN[1];
          depth++;
          if (depth === 1) expectsKey = isObject;
          const isWanted = byte === OPEN[0] && (isObject ? depth === 2 : depth === 1) && Object.hasOwn(handlers, key);
          if (isWanted && recordDepth === 0) {
            startRecords();
            hold = i + 1;
          }
        } else if (byte === 0x5d || byte === 0x7d) {
          if (recordDepth > 0 && depth === recordDepth) {
            emit(bytes, hold, i, true);
            recordDepth = 0;
            hold = boundary = -1;
          }
          depth--;
          if (depth === 0) isDone = true;
        } else if (depth === 0) {
          if (i === 0 && byte === 0xef)
            i += 2; // byte order mark
          else throw fault('is not JSON: expected an object or an array');
        } else if (byte === COMMA) {
          if (recordDepth > 0 && depth === recordDepth) boundary = i;
          else if (depth === 1 && isObject) expectsKey = true;
        } else if (byte === COLON && depth === 1) expectsKey = false;
      }
      if (boundary >= 0) {
        emit(bytes, hold, boundary, false);
        hold = boundary + 1;
      }
      return hold < 0 ? bytes.length : hold;
    },
    end() {
      if (!isDone) throw fault('ends in the middle of its JSON; it may be cut off');
      return found;
    },
  };
}
