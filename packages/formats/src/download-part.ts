/** The part of a file that is there: `<file>.incomplete`, and beside it `<file>.incomplete.json`, which says of what it is. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { DataError, messageOf } from '@unlabel/core';
import { writeJsonAtomic } from './files.ts';

export interface PartSource {
  readonly url: string;
  /** Strong ETag or Last-Modified: another value is another file. '' when the server sent none. */
  readonly validator: string;
  /** SHA-256 that was asked for, '' when none was. */
  readonly sha256: string;
}

export interface HeldPart {
  /** Bytes that are there; 0 begins anew. */
  readonly at: number;
  /** Sent as If-Range; undefined when only the hash vouches for the whole. */
  readonly validator: string | undefined;
  /** Whether the bytes came from elsewhere, so that a wrong hash is no fault of this URL. */
  readonly isMixed: boolean;
}

export const partOf = (file: string): string => `${file}.incomplete`;
const sourceOf = (file: string): string => `${partOf(file)}.json`;

const nothing: HeldPart = { at: 0, validator: undefined, isMixed: false };

/**
 * What of `url`'s file is there. The same URL goes on by its validator; another one, or one without a validator, only when a hash
 * will tell whether the parts fit.
 */
export async function heldPart(url: string, file: string, sha256: string | undefined): Promise<HeldPart> {
  try {
    const source = JSON.parse(await readFile(sourceOf(file), 'utf8')) as PartSource;
    const { size } = await stat(partOf(file));
    if (size === 0 || (sha256 ?? '') !== source.sha256) return nothing;
    if (source.url === url && source.validator !== '') return { at: size, validator: source.validator, isMixed: false };
    return sha256 === undefined ? nothing : { at: size, validator: undefined, isMixed: true };
  } catch {
    return nothing;
  }
}

export const writeSource = (file: string, source: PartSource): Promise<void> => writeJsonAtomic(sourceOf(file), source);

export async function removePart(file: string): Promise<void> {
  await rm(sourceOf(file), { force: true });
  await rm(partOf(file), { force: true });
}

export const removeSource = (file: string): Promise<void> => rm(sourceOf(file), { force: true });

/** The hash of a part, continued while its rest arrives; read again only when it was written by another process. */
export class PartHash {
  readonly #path: string;
  #hash: Hash = createHash('sha256');
  #at = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Makes it the hash of the first `at` bytes. */
  async seek(at: number): Promise<void> {
    if (this.#at === at) return;
    this.#hash = createHash('sha256');
    this.#at = at;
    if (at === 0) return;
    try {
      for await (const block of createReadStream(this.#path, { end: at - 1, highWaterMark: 1 << 20 }))
        this.#hash.update(block as Buffer);
    } catch (cause) {
      throw new DataError(`${this.#path}: the part that is there could not be read (${messageOf(cause)})`, { cause });
    }
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#at += bytes.length;
  }

  /** Hash of all bytes so far; more may follow. */
  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}
