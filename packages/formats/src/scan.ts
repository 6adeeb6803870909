/** Parsers that ask for the bytes they need, so that one parser serves a buffer and a file. */
import { read, readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { DataError } from '@unlabel/core';
import { readExactly } from './files.ts';

/** A part of the file that a parser needs next. Parsers ask only for what lies within the file. */
export interface ReadRequest {
  readonly offset: number;
  readonly length: number;
}

export type Scan<T> = Generator<ReadRequest, T, Uint8Array>;

/** Runs a parser over a file held in memory; it is given views, not copies. */
export function scanBytes<T>(scan: Scan<T>, bytes: Uint8Array): T {
  let step = scan.next();
  while (!step.done) step = scan.next(bytes.subarray(step.value.offset, step.value.offset + step.value.length));
  return step.value;
}

/**
 * Runs a parser over an open file.
 * @param head the file's first bytes where they have been read already, to save small reads
 */
export async function scanFile<T>(scan: Scan<T>, handle: FileHandle, path: string, head?: Uint8Array): Promise<T> {
  let step = scan.next();
  while (!step.done) {
    const { offset, length } = step.value;
    const isInHead = head !== undefined && offset + length <= head.length;
    step = scan.next(
      isInHead ? head.subarray(offset, offset + length) : await readExactly(handle, offset, length, path),
    );
  }
  return step.value;
}

/** Runs a scan over an open file, each part read into memory of its own: nothing else is held. */
export function scanDescriptor<T>(scan: Scan<T>, descriptor: number, name: string): T {
  let step = scan.next();
  while (!step.done) {
    const { offset, length } = step.value;
    const part = Buffer.allocUnsafeSlow(length);
    for (let at = 0; at < length;) {
      const count = readSync(descriptor, part, at, length - at, offset + at);
      if (count === 0) throw new DataError(`${name}: it ends within ${length} bytes that start at ${offset}`);
      at += count;
    }
    step = scan.next(part);
  }
  return step.value;
}

const readLater = promisify(read);

/** The same while other work goes on: the system's threads read. */
export async function scanDescriptorLater<T>(scan: Scan<T>, descriptor: number, name: string): Promise<T> {
  let step = scan.next();
  while (!step.done) {
    const { offset, length } = step.value;
    const part = Buffer.allocUnsafeSlow(length);
    for (let at = 0; at < length;) {
      const { bytesRead } = await readLater(descriptor, part, at, length - at, offset + at);
      if (bytesRead === 0) throw new DataError(`${name}: it ends within ${length} bytes that start at ${offset}`);
      at += bytesRead;
    }
    step = scan.next(part);
  }
  return step.value;
}
