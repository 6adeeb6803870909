import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { retryAfterMs } from './download-request.ts';
import { downloadFile, type DownloadOptions } from './download.ts';
import { serveFaults, type Fault, type FaultServer } from './fault-server.ts';
import { sha256 } from './files.ts';

const body = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7919) % 251));
const digest = sha256(body);
const page = '<!DOCTYPE html><html><head><title>Sign in to\n your account</title></head><body></body></html>';
const cleanUp: (() => void)[] = [];
beforeEach(() => {
  vi.stubEnv('NO_PROXY', '*'); // whatever the machine's proxies are
  vi.stubEnv('no_proxy', '*');
});
afterEach(() => {
  for (const close of cleanUp.splice(0)) close();
  vi.unstubAllEnvs();
});

async function serve(fault?: (call: number, path: string) => Fault | undefined): Promise<FaultServer> {
  const server = await serveFaults({ '/a.bin': body, '/b.bin': body }, fault);
  cleanUp.push(() => server.close());
  return server;
}

const target = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'faults-')), 'a.bin');
const quick = { waitMs: 1, stallMs: 300, tries: 3 };

/** Downloads; then the file is whole under its name, or absent with a clear error. */
async function attempt(options: DownloadOptions): Promise<Error | undefined> {
  const failure = await downloadFile({ ...quick, ...options }).then(
    () => undefined,
    (error: unknown) => error as Error,
  );
  if (failure) expect(existsSync(options.file)).toBe(false);
  else expect(await readFile(options.file)).toEqual(body);
  expect(existsSync(`${options.file}.lock`)).toBe(false);
  return failure;
}

test.each([1, 7, 1999, 4096, 33_333, 99_999])(
  'a connection cut after every %i bytes ends with the file',
  async (every) => {
    // The smallest cuts only at the start of the file: a hundred thousand requests prove no more than fifty.
    const { url } = await serve((call) => (every >= 1999 || call < 50 ? { cutAt: every } : undefined));
    const file = await target();
    expect(await attempt({ urls: [`${url}/a.bin`], file, sha256: digest })).toBeUndefined();
    expect(readdirSync(join(file, '..'))).toEqual(['a.bin']);
  },
);

describe('faults that pass end with the whole file', () => {
  test.each<[string, (call: number) => Fault | undefined]>([
    ['resets', (call) => (call < 3 ? { reset: true } : undefined)],
    ['5xx', (call) => (call < 3 ? { status: 503 } : undefined)],
    ['429 with Retry-After', (call) => (call === 1 ? { status: 429, headers: { 'retry-after': '0' } } : undefined)],
    ['200 instead of 206', (call) => (call === 1 ? { cutAt: 40_000 } : { ignoreRange: true })],
    ['another ETag, honestly', (call) => (call === 1 ? { cutAt: 40_000, etag: '"0"' } : undefined)],
    [
      'another ETag, with the rest all the same',
      (call) => (call === 1 ? { cutAt: 40_000, etag: '"0"' } : { ignoreIfRange: true }),
    ],
    ['silence', (call) => (call === 1 ? { cutAt: 10_000, silent: true } : undefined)],
    ['no answer at all', (call) => (call === 1 ? { hang: true } : undefined)],
    ['slow loris', (call) => (call === 1 ? { drip: [1, 10] } : undefined)],
    ['gzip although identity was asked', () => ({ gzip: true })],
    ['gzip that breaks', (call) => (call < 3 ? { gzip: true, cutAt: 100 } : undefined)],
    ['no length, no ETag', (call) => (call === 1 ? { bare: true, cutAt: 5000 } : { bare: true })],
    ['a length too long', () => ({ length: 100_050 })],
    ['a redirect', (call) => (call === 1 ? { redirect: '/b.bin' } : undefined)],
  ])('%s', async (_, fault) => {
    const { url } = await serve(fault);
    const options = { urls: [`${url}/a.bin`], file: await target(), minBytesPerSecond: 100_000 };
    expect(await attempt({ ...options, sha256: digest })).toBeUndefined();
  });
});

describe('faults that last end with a clear error', () => {
  test.each<[string, Fault, RegExp, Partial<DownloadOptions>?]>([
    [
      'HTML by its type',
      { body: page, headers: { 'content-type': 'text/html' } },
      /HTML page \("Sign in to your account"\)/,
    ],
    ['HTML by its look', { body: page, headers: { 'content-type': 'application/octet-stream' } }, /sends an HTML page/],
    ['a redirect loop', { redirect: '/a.bin' }, /more than 10 redirects/],
    ['a redirect to a file', { redirect: 'file:///etc/passwd' }, /protocol/i],
    ['404', { status: 404 }, /HTTP 404/],
    ['a long Retry-After', { status: 429, headers: { 'retry-after': '9999' } }, /come back in 9999 s/],
    ['wrong length', {}, /100000 bytes, expected 99999/, { bytes: 99_999 }],
    ['wrong hash', { body: Buffer.alloc(100_000) }, /has the SHA-256 .* expected/],
    ['another range', { cutAt: 10, wrongRange: true }, /another range|ended after|broke after/],
    ['an unknown encoding', { headers: { 'content-encoding': 'exi' } }, /encoding "exi"/],
    ['an endless drip', { drip: [1, 10] }, /only \d+ bytes in 300 ms/, { minBytesPerSecond: 10_000 }],
    ['too much', {}, /at most 1000 are taken/, { maxBytes: 1000 }],
  ])('%s', async (_, fault, message, more) => {
    const { url, asked } = await serve(() => fault);
    const failure = await attempt({ urls: [`${url}/a.bin`], file: await target(), sha256: digest, ...more });
    expect((failure as { faults?: string[] } | undefined)?.faults?.join('\n')).toMatch(message);
    expect(asked.length).toBeLessThan(15);
  });
});

test('Retry-After is seconds or a date', () => {
  const now = Date.parse('Wed, 21 Oct 2015 07:28:00 GMT');
  expect(retryAfterMs('30', now)).toBe(30_000);
  expect(retryAfterMs('Wed, 21 Oct 2015 07:28:30 GMT', now)).toBe(30_000);
  expect(retryAfterMs('Wed, 21 Oct 2015 07:27:00 GMT', now)).toBe(0);
  expect([retryAfterMs('soon', now), retryAfterMs(undefined)]).toEqual([undefined, undefined]);
});

test('a Retry-After that is short enough is waited for', async () => {
  const { url } = await serve((call) => (call === 1 ? { status: 503, headers: { 'retry-after': '1' } } : undefined));
  const start = performance.now();
  expect(await attempt({ urls: [`${url}/a.bin`], file: await target() })).toBeUndefined();
  expect(performance.now() - start).toBeGreaterThan(990);
});

test('a gzip bomb is broken off at the size expected', async () => {
  const server = await serveFaults({ '/a.bin': Buffer.alloc(10_000_000) }, () => ({ gzip: true }));
  cleanUp.push(() => server.close());
  const file = await target();
  expect(await attempt({ urls: [`${server.url}/a.bin`], file, bytes: 100_000, stallMs: 10_000 })).toMatchObject({
    faults: [expect.stringContaining('more than 100000 bytes')],
  });
});

test('the next address goes on with the part of the first only where a hash vouches for the whole', async () => {
  const { url, asked } = await serve();
  // The first address breaks for good after its first part.
  const dying = await serve((call) => (call === 1 ? { cutAt: 40_000 } : { status: 410 }));
  const urls = [`${dying.url}/a.bin`, `${url}/b.bin`];
  expect(await attempt({ urls, file: await target(), sha256: digest })).toBeUndefined();
  expect(asked.map(({ range }) => range)).toEqual(['bytes=40000-']);
  const other = await serve((call) => (call === 1 ? { cutAt: 40_000 } : { status: 410 }));
  expect(await attempt({ urls: [`${other.url}/a.bin`, `${url}/b.bin`], file: await target() })).toBeUndefined();
  expect(asked.map(({ range }) => range)).toEqual(['bytes=40000-', undefined]);
});

test('parts of different files are told by the hash, and the file is loaded anew', async () => {
  const foreign = await serveFaults({ '/a.bin': Buffer.alloc(100_000, 1) }, (call) =>
    call === 1 ? { cutAt: 40_000 } : { status: 410 },
  );
  cleanUp.push(() => foreign.close());
  const { url, asked } = await serve();
  const urls = [`${foreign.url}/a.bin`, `${url}/a.bin`];
  expect(await attempt({ urls, file: await target(), sha256: digest })).toBeUndefined();
  expect(asked.map(({ range }) => range)).toEqual(['bytes=40000-', undefined]);
});

test('an abort leaves a state that the next call goes on from', async () => {
  const { url, asked } = await serve((call) => (call === 1 ? { drip: [10_000, 20] } : undefined));
  const file = await target();
  const stop = new AbortController();
  const failure = await attempt({
    urls: [`${url}/a.bin`],
    file,
    signal: stop.signal,
    stallMs: 5000,
    onProgress: (loaded) => void (loaded >= 30_000 && stop.abort()),
  });
  expect(failure?.message).toMatch(/stopped; the same command goes on/);
  const held = (await stat(`${file}.incomplete`)).size;
  expect(held).toBeGreaterThanOrEqual(30_000);
  expect(await attempt({ urls: [`${url}/a.bin`], file })).toBeUndefined();
  expect(asked[1]?.range).toBe(`bytes=${held}-`);
});

test('twenty concurrent downloads in one process load the file once', async () => {
  const server = await serve(() => ({ drip: [10_000, 5] }));
  const file = await target();
  const options = { urls: [`${server.url}/a.bin`], file, sha256: digest };
  const results = await Promise.all(Array.from({ length: 20 }, () => downloadFile(options)));
  expect(results.filter(({ isNew }) => isNew)).toHaveLength(1);
  expect(server.asked).toHaveLength(1);
  expect(server.sent).toBe(body.length);
  expect(await readFile(file)).toEqual(body);
});

const child = `
import { downloadFile } from ${JSON.stringify(new URL('./download.ts', import.meta.url).href)};
const [url, file, sha256, count] = process.argv.slice(1);
const results = await Promise.all(Array.from({ length: Number(count) }, () => downloadFile({ urls: [url], file, sha256 })));
console.log(results.filter(({ isNew }) => isNew).length);
`;
const node = (args: readonly string[], env: Record<string, string> = {}): Promise<{ stdout: string }> =>
  promisify(execFile)(process.execPath, ['--conditions=@unlabel/source', '--input-type=module', '-e', child, ...args], {
    env: { ...process.env, ...env },
  });

test('twenty concurrent downloads in four processes load the file once', async () => {
  const server = await serve(() => ({ drip: [5000, 20] }));
  const file = await target();
  const runs = Array.from({ length: 4 }, () => node([`${server.url}/a.bin`, file, digest, '5']));
  const news = (await Promise.all(runs)).map(({ stdout }) => Number(stdout));
  expect(news.reduce((a, b) => a + b)).toBe(1);
  expect(server.sent).toBe(body.length);
  expect(await readFile(file)).toEqual(body);
}, 20_000);

test('kill -9 in the middle of a download: the next one takes the lock and goes on', async () => {
  const { url, asked } = await serve((call) => (call === 1 ? { drip: [2000, 20] } : undefined));
  const file = await target();
  const args = ['--conditions=@unlabel/source', '--input-type=module', '-e', child, `${url}/a.bin`, file, digest, '1'];
  const doomed = spawn(process.execPath, args, { stdio: 'ignore' });
  const gone = once(doomed, 'exit');
  const part = `${file}.incomplete`;
  while (!existsSync(part) || (await stat(part)).size < 20_000) await new Promise((resolve) => setTimeout(resolve, 20));
  doomed.kill('SIGKILL');
  await gone;
  expect(existsSync(`${file}.lock`)).toBe(true);
  expect(await attempt({ urls: [`${url}/a.bin`], file, sha256: digest })).toBeUndefined();
  expect(asked[1]?.range).toMatch(/^bytes=[2-9]\d{4}-$/);
}, 20_000);

test('the lock of a process that died is taken over, and its part is gone on with', async () => {
  const { url, asked } = await serve();
  const file = await target();
  await writeFile(`${file}.lock`, `999999999 ${(await import('node:os')).hostname()} x`);
  expect(await attempt({ urls: [`${url}/a.bin`], file, sha256: digest })).toBeUndefined();
  expect(asked).toHaveLength(1);
});

test('nothing is loaded under UNLABEL_OFFLINE, but a file that is there is taken', async () => {
  const { url, asked } = await serve();
  vi.stubEnv('UNLABEL_OFFLINE', '1');
  const options = { urls: [`${url}/a.bin`], file: await target(), sha256: digest };
  expect((await attempt(options))?.message).toMatch(/UNLABEL_OFFLINE forbids/);
  await writeFile(options.file, body);
  expect(await attempt(options)).toBeUndefined();
  expect(asked).toHaveLength(0);
});

describe('proxies', () => {
  /** A proxy for both kinds of request: absolute addresses, and CONNECT. */
  async function proxy(): Promise<{ url: string; seen: string[] }> {
    const seen: string[] = [];
    const server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      response.writeHead(200, { 'content-length': body.length }).end(body);
    });
    server.on('connect', (request, socket) => {
      seen.push(`CONNECT ${request.url}`);
      const [host, port] = request.url!.split(':');
      const upstream = connect(Number(port), host, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
      upstream.on('error', () => socket.destroy());
      socket.on('error', () => upstream.destroy());
      socket.pipe(upstream).pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanUp.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
  }

  test('HTTP_PROXY carries http, and NO_PROXY goes past it', async () => {
    const { url, seen } = await proxy();
    const direct = await serve();
    vi.stubEnv('HTTP_PROXY', url);
    vi.stubEnv('http_proxy', url);
    vi.stubEnv('NO_PROXY', '');
    vi.stubEnv('no_proxy', '');
    expect(
      await attempt({ urls: ['http://files.invalid/a.bin'], file: await target(), sha256: digest }),
    ).toBeUndefined();
    expect(seen).toEqual(['GET http://files.invalid/a.bin']);
    vi.stubEnv('NO_PROXY', '127.0.0.1');
    vi.stubEnv('no_proxy', '127.0.0.1');
    expect(await attempt({ urls: [`${direct.url}/a.bin`], file: await target(), sha256: digest })).toBeUndefined();
    expect(seen).toHaveLength(1);
  });

  test('HTTPS_PROXY tunnels https by CONNECT', async () => {
    const { url, seen } = await proxy();
    const { port } = await serve();
    vi.stubEnv('HTTPS_PROXY', url);
    vi.stubEnv('https_proxy', url);
    vi.stubEnv('NO_PROXY', '');
    vi.stubEnv('no_proxy', '');
    // The server speaks no TLS: the tunnel is what is tested, and that no byte goes past it.
    const failure = await attempt({ urls: [`https://127.0.0.1:${port}/a.bin`], file: await target(), tries: 1 });
    expect(failure).toBeDefined();
    expect(seen).toEqual([`CONNECT 127.0.0.1:${port}`]);
  });
});
