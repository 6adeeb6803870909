/**
 * One HTTP request of a download, written to the part as it arrives. Through axios: unlike `fetch` it hands over the body as it was
 * sent, follows HTTP(S)_PROXY and NO_PROXY without a flag of Node, and bounds redirects. RFC 9110 §13.1.5 (If-Range), §14 (ranges).
 */
import { open, type FileHandle } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { DataError, messageOf } from '@unlabel/core';
import { heldPart, partOf, removePart, writeSource, type HeldPart, type PartHash } from './download-part.ts';
import { StreamQueue } from './stream-queue.ts';

/** Not worth another try at this URL. */
export class Refused extends Error {}

/** Worth another try, after the time the server asked for where it did. */
export class Broken extends Error {
  readonly waitMs: number | undefined;
  /** The server is too slow or silent: progress before it does not count. */
  readonly isStall: boolean;

  constructor(message: string, options: { waitMs?: number; isStall?: boolean } = {}) {
    super(message);
    this.waitMs = options.waitMs;
    this.isStall = options.isStall ?? false;
  }
}

/** The server answered with a page that leads to the file. */
export class Forwarded extends Error {
  readonly url: string;

  constructor(url: string) {
    super(`goes on at ${url}`);
    this.url = url;
  }
}

export interface RequestOptions {
  readonly file: string;
  readonly bytes?: number | undefined;
  readonly sha256?: string | undefined;
  readonly maxBytes: number;
  readonly onProgress?: ((loaded: number, total: number | undefined) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly stallMs: number;
  readonly minBytesPerSecond: number;
  readonly maxRetryAfterMs: number;
  /** Where a page leads to, for hosts that put one before the file. */
  readonly follow?: ((html: string, url: string) => string | undefined) | undefined;
}

const maxRedirects = 10;
const maxPageBytes = 1 << 20;

/**
 * Loads what is missing of `url`.
 * @returns whether parts of several sources are in the file
 * @throws Refused, Broken or Forwarded; DataError for faults of this machine
 */
export async function requestPart(url: string, options: RequestOptions, hash: PartHash): Promise<boolean> {
  const { file, sha256, bytes } = options;
  let held = await heldPart(url, file, sha256);
  if (bytes !== undefined && held.at > bytes) {
    await removePart(file);
    held = { at: 0, validator: undefined, isMixed: false };
  }
  await hash.seek(held.at); // before the connection: reading takes its time
  if (held.at > 0 && held.at === bytes && sha256 !== undefined) return held.isMixed;
  const watch = new StallWatch(options);
  try {
    const response = await send(url, held, watch.signal);
    try {
      return await receive(response, url, held, options, hash, watch);
    } finally {
      response.data.destroy();
    }
  } catch (error) {
    if (options.signal?.aborted) throw error;
    if (watch.reason) throw new Broken(watch.reason, { isStall: true });
    throw error;
  } finally {
    watch.stop();
  }
}

interface Response {
  readonly status: number;
  readonly statusText: string;
  readonly data: StreamQueue;
  readonly finalUrl: string;
  header(name: string): string | undefined;
}

async function send(url: string, held: HeldPart, signal: AbortSignal): Promise<Response> {
  const { default: axios } = await import('axios');
  try {
    const response = await axios.get<IncomingMessage>(url, {
      responseType: 'stream',
      decompress: false,
      maxRedirects,
      validateStatus: () => true,
      maxContentLength: Infinity,
      signal,
      headers: {
        'Accept-Encoding': 'identity',
        'User-Agent': 'unlabel',
        ...(held.at > 0 && { Range: `bytes=${held.at}-` }),
        ...(held.at > 0 && held.validator !== undefined && { 'If-Range': held.validator }),
      },
      beforeRedirect: (next: Record<string, unknown>) => {
        if (url.startsWith('https:') && next['protocol'] !== 'https:')
          throw new Refused('it is redirected from https to an address without encryption');
      },
    });
    const request = response.request as { res?: { responseUrl?: string } } | undefined;
    return {
      status: response.status,
      statusText: response.statusText,
      data: new StreamQueue(response.data),
      finalUrl: request?.res?.responseUrl ?? url,
      header(name) {
        const value: unknown = response.headers[name];
        return typeof value === 'string' ? value : undefined;
      },
    };
  } catch (error) {
    const { code } = error as { code?: string };
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
    if (error instanceof Refused) throw error;
    if (cause instanceof Refused) throw cause;
    if (code === 'ERR_FR_TOO_MANY_REDIRECTS') throw new Refused(`more than ${maxRedirects} redirects`);
    const isPermanent = ['ENOTFOUND', 'ERR_INVALID_URL', 'ERR_BAD_OPTION_VALUE', 'ERR_UNSUPPORTED_PROTOCOL'];
    const text = messageOf(error) || code || 'the connection failed';
    if (isPermanent.includes(code ?? '') || /protocol/i.test(text)) throw new Refused(text);
    throw new Broken(text);
  }
}

async function receive(
  response: Response,
  url: string,
  held: HeldPart,
  options: RequestOptions,
  hash: PartHash,
  watch: StallWatch,
): Promise<boolean> {
  const { file, bytes, maxBytes } = options;
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.header('content-range') ?? '');
  if (response.status === 416) {
    const total = /\/(\d+)$/.exec(response.header('content-range') ?? '')?.[1];
    if (held.at > 0 && total !== undefined && Number(total) === held.at) return held.isMixed; // all of it was there
    await removePart(file);
    throw new Broken('the part that is there fits no more; it is loaded again');
  }
  checkStatus(response, options.maxRetryAfterMs);
  const encoding = (response.header('content-encoding') ?? 'identity').trim().toLowerCase();
  const validator = validatorOf(response);
  const isRest = response.status === 206;
  if (isRest) {
    if (held.at === 0 || range === null || Number(range[1]) !== held.at || encoding !== 'identity') {
      await removePart(file);
      throw new Refused('it answered with another range than was asked for');
    }
    if (held.validator !== undefined && validator !== '' && validator !== held.validator) {
      await removePart(file);
      throw new Broken('the file has changed meanwhile; it is loaded again');
    }
  }
  await refusePage(response, options);
  const start = isRest ? held.at : 0;
  const stated = Number((isRest ? range?.[2] : response.header('content-length')) ?? NaN);
  const coded = decoderOf(encoding, stated, url, bytes);
  const total = coded === undefined && Number.isFinite(stated) ? stated : bytes;
  if (bytes !== undefined && total !== undefined && total !== bytes)
    throw new Refused(`the file has ${total} bytes, expected ${bytes}`);
  if ((total ?? 0) > maxBytes) throw new Refused(`the file has ${total} bytes; at most ${maxBytes} are taken`);
  if (!isRest) {
    await hash.seek(0);
    // A coded answer cannot be gone on with: a range would count coded bytes.
    await writeSource(file, {
      url,
      validator: coded === undefined ? validator : '',
      sha256: coded === undefined ? (options.sha256 ?? '') : 'coded',
    });
  }
  const handle = await open(partOf(file), isRest ? 'a' : 'w').catch((cause: unknown) => {
    throw new DataError(`${partOf(file)}: could not be opened (${messageOf(cause)})`, { cause });
  });
  try {
    const source = coded === undefined ? response.data.blocks() : decoded(response.data, coded);
    const loaded = await pour(source, handle, start, total, options, hash, watch);
    await handle.sync().catch(() => {}); // some file systems cannot
    if (total !== undefined && loaded < total)
      throw new Broken(`the connection ended after ${loaded} of ${total} bytes`);
  } finally {
    await handle.close();
  }
  return isRest && held.isMixed;
}

function checkStatus(response: Response, maxRetryAfterMs: number): void {
  const { status, statusText } = response;
  if (status === 200 || status === 206) return;
  const text = `HTTP ${status} ${statusText}`.trim();
  const isTemporary = status >= 500 || status === 429 || status === 408 || status === 425;
  if (!isTemporary) throw new Refused(text);
  const waitMs = retryAfterMs(response.header('retry-after'));
  if (waitMs !== undefined && waitMs > maxRetryAfterMs)
    throw new Refused(`${text}; it asks to come back in ${Math.ceil(waitMs / 1000)} s`);
  throw new Broken(text, waitMs === undefined ? {} : { waitMs });
}

/** Milliseconds of a Retry-After header: seconds, or a date. */
export function retryAfterMs(header: string | undefined, now = Date.now()): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

function validatorOf(response: Response): string {
  const etag = response.header('etag');
  return (etag?.startsWith('W/') ? undefined : etag) ?? response.header('last-modified') ?? '';
}

/** A page is no checkpoint: share links that need a click, logins, and "file removed" come with status 200. */
async function refusePage(response: Response, { file, follow }: RequestOptions): Promise<void> {
  if (!/^(text\/html|application\/xhtml)/i.test(response.header('content-type') ?? '') || /\.x?html?$/i.test(file))
    return;
  let html = '';
  for await (const block of response.data.blocks()) {
    html += block.toString();
    if (html.length > maxPageBytes) break;
  }
  const next = follow?.(html, response.finalUrl);
  if (next !== undefined) throw new Forwarded(next);
  const title = /<title[^>]*>([^<]{1,200})/i.exec(html)?.[1]?.replace(/\s+/g, ' ').trim();
  throw new Refused(
    `it sends an HTML page${title ? ` ("${title}")` : ''} where a file was expected: the link is dead, or wants a browser`,
  );
}

function decoderOf(encoding: string, stated: number, url: string, bytes: number | undefined): Transform | undefined {
  if (encoding === 'identity' || encoding === '') return undefined;
  // Servers that name an archive's own compression as if it were the transfer's: the bytes are the file.
  if (stated === bytes || /\.(gz|tgz|br|zst)$/i.test(new URL(url).pathname)) return undefined;
  if (encoding === 'gzip' || encoding === 'x-gzip') return createGunzip();
  if (encoding === 'deflate') return createInflate();
  if (encoding === 'br') return createBrotliDecompress();
  if (encoding === 'zstd') return createZstdDecompress();
  throw new Refused(`it sends the encoding "${encoding}", which was not asked for and is not known`);
}

async function* decoded(data: StreamQueue, decoder: Transform): AsyncGenerator<Buffer> {
  const source = Readable.from(data.blocks());
  source.once('error', (error) => decoder.destroy(error));
  for await (const block of source.pipe(decoder)) yield block as Buffer;
}

async function pour(
  source: AsyncIterable<Buffer>,
  handle: FileHandle,
  start: number,
  total: number | undefined,
  options: RequestOptions,
  hash: PartHash,
  watch: StallWatch,
): Promise<number> {
  const limit = Math.min(options.maxBytes, total ?? options.maxBytes);
  let loaded = start;
  try {
    for await (const block of source) {
      if (loaded === 0 && /^\s*<(!doctype html|html)/i.test(block.subarray(0, 200).toString('latin1')))
        throw new Refused('it sends an HTML page where a file was expected: the link is dead, or wants a browser');
      if (loaded + block.length > limit) throw new Refused(`it sends more than ${limit} bytes`);
      loaded += block.length;
      watch.tick(block.length);
      const written = handle.writeFile(block).catch((cause: unknown) => {
        throw new DataError(`${partOf(options.file)}: could not be written (${messageOf(cause)})`, { cause });
      });
      hash.update(block); // while the disk works
      await written;
      options.onProgress?.(loaded, total);
    }
  } catch (error) {
    if (error instanceof Refused || error instanceof DataError) throw error;
    throw new Broken(`the connection broke after ${loaded} bytes (${messageOf(error)})`);
  }
  return loaded;
}

/** Aborts a connection that is silent, or drips slower than the least rate, for the time of a stall. */
class StallWatch {
  readonly signal: AbortSignal;
  reason: string | undefined;
  readonly #timer: ReturnType<typeof setInterval>;
  #bytes = 0;

  constructor({ stallMs, minBytesPerSecond, signal }: RequestOptions) {
    const stop = new AbortController();
    this.signal = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    const least = Math.max(1, Math.floor((minBytesPerSecond * stallMs) / 1000));
    this.#timer = setInterval(() => {
      if (this.#bytes < least) {
        this.reason = this.#bytes === 0 ? `no byte for ${stallMs} ms` : `only ${this.#bytes} bytes in ${stallMs} ms`;
        stop.abort(new Error(this.reason));
      }
      this.#bytes = 0;
    }, stallMs);
  }

  tick(bytes: number): void {
    this.#bytes += bytes;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
