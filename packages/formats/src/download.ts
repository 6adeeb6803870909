/**
 * Downloads that go on where they stopped: `<file>.incomplete` grows, beside it `<file>.incomplete.json` says of what; renamed when
 * whole and, where a hash is given, verified. HTTP range requests with If-Range (RFC 9110 §13.1.5, §14).
 */
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DataError, messageOf } from '@unlabel/core';
import { sha256File, writeJsonAtomic } from './files.ts';

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
  readonly signal?: AbortSignal | undefined;
  /** Tries of each URL after connections that broke. Default 4. */
  readonly tries?: number;
  /** Milliseconds before the second try, doubled for each after it. Default 500. */
  readonly waitMs?: number;
  /** Milliseconds without a byte after which a connection counts as broken. Default 60,000. */
  readonly stallMs?: number;
  /** For tests. */
  readonly fetch?: typeof globalThis.fetch;
}

export interface Downloaded {
  /** False when the file was there. */
  readonly isNew: boolean;
  readonly bytes: number;
}

/** Not worth another try at this URL. */
class Refused extends Error {}

/**
 * @throws DataError naming URL and file when no URL gives the bytes expected; what is loaded of them stays for the next time
 */
export async function downloadFile(options: DownloadOptions): Promise<Downloaded> {
  const { urls, file, tries = 4, waitMs = 500, signal } = options;
  if (existsSync(file)) {
    const { size } = await stat(file);
    const isHeld =
      (options.bytes === undefined || options.bytes === size) &&
      (options.sha256 === undefined || (await sha256File(file)) === options.sha256.toLowerCase());
    if (isHeld) return { isNew: false, bytes: size };
  }
  await mkdir(dirname(file), { recursive: true }).catch((cause: unknown) => {
    throw new DataError(`${file}: its folder could not be made (${messageOf(cause)})`, { cause });
  });
  const failures: string[] = [];
  for (const url of urls) {
    if (!/^https?:\/\//i.test(url)) throw new DataError(`${url}: expected a URL of http or https`);
    for (let attempt = 0; attempt < tries; attempt++) {
      try {
        await load(url, options);
        return await finish(options);
      } catch (error) {
        if (signal?.aborted) throw new DataError(`${url}: stopped; the same command goes on`, { cause: error });
        if (error instanceof DataError) throw error;
        failures.push(
          `${url}: ${messageOf(error)}${error instanceof Error && error.cause ? ` (${messageOf(error.cause)})` : ''}`,
        );
        if (error instanceof Refused || attempt === tries - 1) break;
        await new Promise((resolve) => setTimeout(resolve, waitMs * 2 ** attempt));
      }
    }
  }
  throw new DataError(`${file}: could not be downloaded; what is loaded is kept, and the same command goes on`, {
    faults: [...new Set(failures)],
  });
}

interface Part {
  readonly url: string;
  /** ETag or Last-Modified: another value is another file. */
  readonly validator: string;
}

const partOf = (file: string): string => `${file}.incomplete`;

/** How much of this URL's file is there. */
async function heldPart(url: string, file: string): Promise<{ at: number; validator: string | undefined }> {
  try {
    const part = JSON.parse(await readFile(`${partOf(file)}.json`, 'utf8')) as Part;
    const { size } = await stat(partOf(file));
    return part.url === url && part.validator !== ''
      ? { at: size, validator: part.validator }
      : { at: 0, validator: undefined };
  } catch {
    return { at: 0, validator: undefined };
  }
}

async function load(url: string, options: DownloadOptions): Promise<void> {
  const { file, maxBytes = 5e11, bytes, onProgress, stallMs = 60_000 } = options;
  const held = await heldPart(url, file);
  const stall = new AbortController();
  let timer = setTimeout(() => stall.abort(new Error(`no byte for ${stallMs} ms`)), stallMs);
  try {
    const response = await (options.fetch ?? fetch)(url, {
      headers: {
        'accept-encoding': 'identity',
        ...(held.at > 0 && { range: `bytes=${held.at}-`, 'if-range': held.validator! }),
      },
      signal: options.signal ? AbortSignal.any([options.signal, stall.signal]) : stall.signal,
    });
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
    if (response.status === 416) {
      await response.body?.cancel();
      const total = Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? NaN);
      if (held.at > 0 && total === held.at) return; // all of it was there
      await rm(`${partOf(file)}.json`, { force: true });
      throw new Error('the part that is there fits no more; it is loaded again');
    }
    if (response.status >= 400) {
      await response.body?.cancel();
      const text = `HTTP ${response.status} ${response.statusText}`.trim();
      throw response.status >= 500 || response.status === 429 || response.status === 408
        ? new Error(text)
        : new Refused(text);
    }
    const isRest = response.status === 206 && range !== null && Number(range[1]) === held.at;
    if (response.status === 206 && !isRest) throw new Refused('the server answered with another range than asked for');
    const start = isRest ? held.at : 0;
    const stated = isRest ? Number(range[2]) : Number(response.headers.get('content-length') ?? NaN);
    const total = Number.isFinite(stated) ? stated : bytes;
    if (bytes !== undefined && total !== undefined && total !== bytes)
      throw new Refused(`the file has ${total} bytes, expected ${bytes}`);
    if ((total ?? 0) > maxBytes) throw new Refused(`the file has ${total} bytes; at most ${maxBytes} are taken`);
    const etag = response.headers.get('etag');
    const validator = (etag?.startsWith('W/') ? undefined : etag) ?? response.headers.get('last-modified') ?? '';
    if (!isRest) await writeJsonAtomic(`${partOf(file)}.json`, { url, validator } satisfies Part);
    const handle = await open(partOf(file), isRest ? 'a' : 'w').catch((cause: unknown) => {
      throw new DataError(`${partOf(file)}: could not be opened (${messageOf(cause)})`, { cause });
    });
    let loaded = start;
    try {
      for await (const chunk of response.body ?? []) {
        clearTimeout(timer);
        timer = setTimeout(() => stall.abort(new Error(`no byte for ${stallMs} ms`)), stallMs);
        loaded += chunk.length;
        if (loaded > Math.min(maxBytes, total ?? maxBytes))
          throw new Refused(`it sends more than ${total ?? maxBytes} bytes`);
        await handle.writeFile(chunk).catch((cause: unknown) => {
          throw new DataError(`${partOf(file)}: could not be written (${messageOf(cause)})`, { cause });
        });
        onProgress?.(loaded, total);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (total !== undefined && loaded < total)
      throw new Error(`the connection ended after ${loaded} of ${total} bytes`);
  } finally {
    clearTimeout(timer);
  }
}

async function finish({ file, sha256, bytes, urls }: DownloadOptions): Promise<Downloaded> {
  const part = partOf(file);
  const { size } = await stat(part);
  const found = sha256 === undefined ? undefined : await sha256File(part);
  if ((bytes !== undefined && size !== bytes) || (found !== undefined && found !== sha256!.toLowerCase())) {
    await rm(part, { force: true });
    await rm(`${part}.json`, { force: true });
    throw new DataError(
      found !== undefined && found !== sha256!.toLowerCase()
        ? `${file}: the download has the SHA-256 ${found}, expected ${sha256}. It is deleted; the file at ${urls.join(', ')} has changed or the hash is another file's.`
        : `${file}: the download has ${size} bytes, expected ${bytes}. It is deleted.`,
    );
  }
  await rename(part, file);
  await rm(`${part}.json`, { force: true });
  return { isNew: true, bytes: size };
}
