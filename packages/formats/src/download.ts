/**
 * Downloads that go on where they stopped: `<file>.incomplete` grows, beside it `<file>.incomplete.json` says of what; hashed while
 * it arrives, renamed when whole and right. One writer at a time: others wait and find the file.
 */
import { existsSync } from 'node:fs';
import { mkdir, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, DataError, messageOf } from '@unlabel/core';
import { heldPart, PartHash, partOf, removePart, removeSource } from './download-part.ts';
import { Broken, Forwarded, Refused, requestPart } from './download-request.ts';
import { withFileLock, type StillHeld } from './file-lock.ts';
import { sha256File } from './files.ts';

export interface DownloadOptions {
  /** The same bytes at several places; each is tried in turn. */
  readonly urls: readonly string[];
  /** Where it goes. A file that is there and fits `bytes` and `sha256` is not loaded again. */
  readonly file: string;
  /** Expected size. */
  readonly bytes?: number | undefined;
  /** Expected, 64 hexadecimal digits. */
  readonly sha256?: string | undefined;
  /** More is refused. Default 500 GB. */
  readonly maxBytes?: number;
  readonly onProgress?: ((loaded: number, total: number | undefined) => void) | undefined;
  /** Another download of the same file is under way; called once. */
  readonly onWait?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Failures in a row, without a new byte between them, before the next URL. Default 4. */
  readonly tries?: number;
  /** Milliseconds before the second try, doubled for each after it (at most a minute), times 0.5 to 1.5 by chance. Default 500. */
  readonly waitMs?: number;
  /** Milliseconds without enough bytes after which a connection counts as broken. Default 60,000. */
  readonly stallMs?: number;
  /** Slower than this over the time of a stall is broken off. Default 256. */
  readonly minBytesPerSecond?: number;
  /** A longer Retry-After is not waited for. Default 120,000. */
  readonly maxRetryAfterMs?: number;
  /** Where a page leads to, for hosts that put one before the file. */
  readonly follow?: ((html: string, url: string) => string | undefined) | undefined;
}

export interface Downloaded {
  /** False when the file was there, or another process loaded it meanwhile. */
  readonly isNew: boolean;
  readonly bytes: number;
  /** Of the whole file. */
  readonly sha256: string;
  /** Where its last bytes came from; undefined when it was there. */
  readonly url?: string;
}

/** A file cut again and again makes progress; without an end it is given up. */
const maxAttempts = 5000;
const maxForwards = 3;

/** `UNLABEL_OFFLINE` set to anything but 0 or nothing. */
export const isOffline = (): boolean => !['', '0', undefined].includes(process.env['UNLABEL_OFFLINE']);

/**
 * @throws DataError naming URL and file when no URL gives the bytes expected; what is loaded of them stays for the next time.
 * ConfigError when `UNLABEL_OFFLINE` forbids it and the file is not there
 */
export async function downloadFile(options: DownloadOptions): Promise<Downloaded> {
  const { urls, file, signal, onWait } = options;
  const bad = urls.find((url) => !/^https?:\/\//i.test(url));
  if (bad !== undefined) throw new DataError(`${bad}: expected a URL of http or https`);
  const held = await heldWhole(options);
  if (held) return held;
  if (isOffline())
    throw new ConfigError(
      `${file}: is not there, and UNLABEL_OFFLINE forbids to download it from ${urls[0] ?? 'anywhere'}. Unset it, or put the file there.`,
    );
  await mkdir(dirname(file), { recursive: true }).catch((cause: unknown) => {
    throw new DataError(`${file}: its folder could not be made (${messageOf(cause)})`, { cause });
  });
  try {
    return await withFileLock(
      `${file}.lock`,
      async (stillHeld) => (await heldWhole(options)) ?? load(options, stillHeld),
      {
        signal,
        onWait,
      },
    );
  } catch (error) {
    if (signal?.aborted) throw new DataError(`${file}: stopped; the same command goes on`, { cause: error });
    throw error;
  }
}

async function heldWhole({ file, bytes, sha256 }: DownloadOptions): Promise<Downloaded | undefined> {
  if (!existsSync(file)) return undefined;
  const { size } = await stat(file);
  if (bytes !== undefined && bytes !== size) return undefined;
  const found = await sha256File(file);
  return sha256 === undefined || found === sha256.toLowerCase()
    ? { isNew: false, bytes: size, sha256: found }
    : undefined;
}

async function load(options: DownloadOptions, stillHeld: StillHeld): Promise<Downloaded> {
  const hash = new PartHash(partOf(options.file));
  const failures: string[] = [];
  for (const url of options.urls) {
    const loaded = await loadFrom(url, options, hash, failures, stillHeld);
    if (loaded) return loaded;
  }
  const isKept = existsSync(partOf(options.file));
  throw new DataError(
    `${options.file}: could not be downloaded; ${isKept ? 'what is loaded is kept, and the same command goes on' : 'nothing of it is kept'}`,
    { faults: [...new Set(failures)] },
  );
}

/** Tries one URL until it is done, refused, or fails too often in a row; undefined then, and `failures` says why. */
async function loadFrom(
  first: string,
  options: DownloadOptions,
  hash: PartHash,
  failures: string[],
  stillHeld: StillHeld,
): Promise<Downloaded | undefined> {
  const { file, tries = 4, waitMs = 500, signal, sha256 } = options;
  const request = {
    ...options,
    sha256: sha256?.toLowerCase(),
    maxBytes: options.maxBytes ?? 5e11,
    stallMs: options.stallMs ?? 60_000,
    minBytesPerSecond: options.minBytesPerSecond ?? 256,
    maxRetryAfterMs: options.maxRetryAfterMs ?? 120_000,
  };
  let [url, forwards, failed] = [first, 0, 0];
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    signal?.throwIfAborted();
    const before = await sizeOf(file);
    try {
      const isMixed = await requestPart(url, request, hash);
      if (!(await stillHeld()))
        throw new DataError(`${file}: another process took over its download; the same command goes on`);
      const done = await finish(options, hash, url);
      if (typeof done !== 'string') return done;
      failures.push(`${url}: ${done}`);
      if (!isMixed) return undefined; // this URL's file is another one
    } catch (error) {
      if (signal?.aborted || error instanceof DataError) throw error;
      if (error instanceof Forwarded && forwards++ < maxForwards) {
        url = error.url;
        continue;
      }
      failures.push(`${url}: ${messageOf(error)}`);
      if (error instanceof Refused || error instanceof Forwarded) return undefined;
      const isStall = error instanceof Broken && error.isStall;
      failed = !isStall && (await sizeOf(file)) > before ? 1 : failed + 1;
      if (failed >= tries) return undefined;
      const backOff = Math.min(60_000, waitMs * 2 ** (failed - 1)) * (0.5 + Math.random());
      const asked = error instanceof Broken ? (error.waitMs ?? 0) : 0;
      await sleep(Math.max(asked, backOff), undefined, { signal });
    }
  }
  return undefined;
}

const sizeOf = async (file: string): Promise<number> => (await stat(partOf(file)).catch(() => undefined))?.size ?? 0;

/** Renames the part when it is right; else deletes it and says what is wrong. */
async function finish(
  { file, sha256, bytes }: DownloadOptions,
  hash: PartHash,
  url: string,
): Promise<Downloaded | string> {
  const part = partOf(file);
  const { size } = await stat(part);
  await hash.seek(size);
  const found = hash.digest();
  if (bytes !== undefined && size !== bytes) {
    await removePart(file);
    return `the download has ${size} bytes, expected ${bytes}; it is deleted`;
  }
  if (sha256 !== undefined && found !== sha256.toLowerCase()) {
    await removePart(file);
    return `the download has the SHA-256 ${found}, expected ${sha256}; it is deleted. The file there has changed, or the hash is another file's`;
  }
  await rename(part, file).catch((cause: unknown) => {
    throw new DataError(`${file}: the download from ${url} could not be renamed (${messageOf(cause)})`, { cause });
  });
  await removeSource(file);
  return { isNew: true, bytes: size, sha256: found, url };
}

/** Bytes of a download that was stopped; 0 when there is none that `url` could go on with. */
export const resumableBytes = async (url: string, file: string, sha256?: string): Promise<number> =>
  (await heldPart(url, file, sha256)).at;
