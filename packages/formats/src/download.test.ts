import { existsSync } from 'node:fs';
import { mkdtemp, readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { downloadFile } from './download.ts';
import { sha256 } from './files.ts';

const body = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7919) % 251));
const digest = sha256(body);
process.env['NO_PROXY'] = process.env['no_proxy'] = '*'; // whatever the machine's proxies are
let close = (): void => {};
afterEach(() => close());

type Answer = (request: IncomingMessage, response: ServerResponse, call: number) => void;

/** A server that answers as told; @returns its URL and the ranges asked for. */
async function serve(answer: Answer): Promise<{ url: string; ranges: (string | undefined)[] }> {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    answer(request, response, ranges.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.bin`, ranges };
}

/** Whole or the rest, as an honest server; breaks off after `limit` bytes. */
function send(request: IncomingMessage, response: ServerResponse, { limit = Infinity, etag = '"1"' } = {}): void {
  const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const isRest = from > 0 && request.headers['if-range'] === etag;
  const part = body.subarray(isRest ? from : 0);
  response.writeHead(isRest ? 206 : 200, {
    etag,
    'content-length': part.length,
    ...(isRest && { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` }),
  });
  if (part.length <= limit) response.end(part);
  else response.write(part.subarray(0, limit), () => setTimeout(() => response.destroy(), 20));
}

const target = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'download-')), 'a.bin');

test('a broken connection is taken up where it broke, and a file that is there is not loaded again', async () => {
  const { url, ranges } = await serve((request, response, call) =>
    send(request, response, call < 3 ? { limit: 30_000 } : {}),
  );
  const file = await target();
  const seen: number[] = [];
  const options = { urls: [url], file, sha256: digest, waitMs: 1, onProgress: (loaded: number) => seen.push(loaded) };
  expect(await downloadFile(options)).toEqual({ isNew: true, bytes: body.length, sha256: digest, url });
  expect(await readFile(file)).toEqual(body);
  expect(ranges).toEqual([undefined, 'bytes=30000-', 'bytes=60000-']);
  expect(seen.at(-1)).toBe(body.length);
  expect(existsSync(`${file}.incomplete`) || existsSync(`${file}.incomplete.json`)).toBe(false);
  expect((await downloadFile(options)).isNew).toBe(false);
  expect(ranges).toHaveLength(3);
});

test('what a stopped command loaded is used by the next; another file at the URL is loaded from its start', async () => {
  let etag = '"1"';
  let limit = 40_000;
  const { url, ranges } = await serve((request, response) => send(request, response, { etag, limit }));
  const file = await target();
  const once = { urls: [url], file, tries: 1, waitMs: 1 };
  await expect(downloadFile(once)).rejects.toThrow(/could not be downloaded; what is loaded is kept/);
  expect((await stat(`${file}.incomplete`)).size).toBe(40_000);
  limit = Infinity;
  etag = '"2"';
  await downloadFile(once);
  expect(ranges).toEqual([undefined, 'bytes=40000-']);
  expect(await readFile(file)).toEqual(body);
});

test('takes the next URL after one that refuses, and does not ask a refusing one twice', async () => {
  const { url, ranges } = await serve((request, response) => {
    if (request.url === '/gone') response.writeHead(404).end();
    else send(request, response);
  });
  const file = await target();
  await downloadFile({ urls: [url.replace('a.bin', 'gone'), url], file, waitMs: 1 });
  expect(ranges).toHaveLength(2);
});

test('names what is wrong: hash, size, status, length, scheme', async () => {
  let mode = 'ok';
  const { url } = await serve((request, response) => {
    if (mode === 'endless') response.writeHead(200).end(body);
    else if (mode === 'error') response.writeHead(503).end();
    else send(request, response);
  });
  const load = async (more: object): Promise<unknown> =>
    downloadFile({ urls: [url], file: await target(), waitMs: 1, tries: 2, ...more }).catch((error: unknown) => error);
  expect(await load({ sha256: '0'.repeat(64) })).toMatchObject({
    message: expect.stringContaining('nothing of it is kept'),
    faults: [expect.stringContaining(`SHA-256 ${digest}, expected 000`)],
  });
  expect(await load({ bytes: 5 })).toMatchObject({ faults: [expect.stringContaining('has 100000 bytes, expected 5')] });
  expect(await load({ maxBytes: 99_999 })).toMatchObject({
    faults: [expect.stringContaining('at most 99999 are taken')],
  });
  expect(await load({ urls: ['file:///etc/passwd'] })).toMatchObject({
    message: expect.stringContaining('http or https'),
  });
  mode = 'endless';
  expect(await load({ maxBytes: 50_000 })).toMatchObject({
    faults: [expect.stringContaining('sends more than 50000')],
  });
  mode = 'error';
  expect(await load({})).toMatchObject({ faults: [expect.stringContaining('HTTP 503')] });
});

test('a connection that falls silent is broken off and taken up', async () => {
  const { url, ranges } = await serve((request, response, call) => {
    if (call > 1) return send(request, response);
    response.writeHead(200, { etag: '"1"', 'content-length': body.length });
    response.write(body.subarray(0, 10_000));
  });
  const file = await target();
  await downloadFile({ urls: [url], file, waitMs: 1, stallMs: 200 });
  expect(ranges).toEqual([undefined, 'bytes=10000-']);
  expect(await readFile(file)).toEqual(body);
});
