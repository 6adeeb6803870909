/** For tests: a local HTTP server that serves files and misbehaves as told. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

/** What goes wrong with one answer. Several may be combined. */
export interface Fault {
  /** Break the connection after this many bytes of the body. */
  readonly cutAt?: number;
  /** Then say nothing more instead of breaking. */
  readonly silent?: boolean;
  /** Status instead of 200 or 206. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Body instead of the file's. */
  readonly body?: Uint8Array | string;
  /** 200 with the whole file although a range was asked for. */
  readonly ignoreRange?: boolean;
  /** 206 with the rest although If-Range names another file. */
  readonly ignoreIfRange?: boolean;
  /** Another range than was asked for. */
  readonly wrongRange?: boolean;
  readonly etag?: string;
  /** Content-Length that is not the body's. */
  readonly length?: number;
  /** Compress, though identity was asked for. */
  readonly gzip?: boolean;
  /** Bytes of each drip and milliseconds between them. */
  readonly drip?: readonly [bytes: number, ms: number];
  /** No Content-Length, no ETag, no ranges. */
  readonly bare?: boolean;
  /** Break the connection before any answer. */
  readonly reset?: boolean;
  readonly redirect?: string;
  /** No answer. */
  readonly hang?: boolean;
}

export interface Asked {
  readonly path: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
}

export interface FaultServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  /** Every request so far. */
  readonly asked: readonly Asked[];
  /** Bytes of bodies sent so far. */
  readonly sent: number;
  close(): void;
}

/**
 * @param files by path, `/a.bin`
 * @param fault of the n-th request, from 1; undefined answers as an honest server
 */
export async function serveFaults(
  files: Readonly<Record<string, Uint8Array>>,
  fault: (call: number, path: string) => Fault | undefined = () => undefined,
): Promise<FaultServer> {
  const asked: Asked[] = [];
  let sent = 0;
  const server = createServer((request, response) => {
    const path = request.url ?? '/';
    asked.push({ path, range: request.headers.range, ifRange: request.headers['if-range'] as string | undefined });
    response.on('error', () => {});
    const file = files[path.split('?')[0]!];
    answer(request, response, file, fault(asked.length, path) ?? {}, (bytes) => (sent += bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    asked,
    get sent() {
      return sent;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  file: Uint8Array | undefined,
  fault: Fault,
  count: (bytes: number) => void,
): void {
  if (fault.hang) return;
  if (fault.reset) return void request.socket.destroy();
  if (fault.redirect !== undefined) return void response.writeHead(302, { location: fault.redirect }).end();
  if (fault.status !== undefined || (file === undefined && fault.body === undefined))
    return void response.writeHead(fault.status ?? 404, fault.headers).end(fault.body);
  const etag = fault.etag ?? '"1"';
  const asked = fault.bare || fault.ignoreRange ? undefined : /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
  const ifRange = request.headers['if-range'];
  const whole = fault.body === undefined ? file! : Buffer.from(fault.body);
  const isRest = asked !== undefined && (ifRange === undefined || ifRange === etag || fault.ignoreIfRange === true);
  const from = isRest ? Math.max(0, Number(asked) - (fault.wrongRange ? 10 : 0)) : 0;
  if (isRest && from >= whole.length)
    return void response.writeHead(416, { 'content-range': `bytes */${whole.length}` }).end();
  const body = fault.gzip ? gzipSync(whole) : Buffer.from(whole.subarray(from));
  response.writeHead(isRest ? 206 : 200, {
    ...(!fault.bare && { etag, 'content-length': fault.length ?? body.length }),
    ...(isRest && { 'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}` }),
    ...(fault.gzip && { 'content-encoding': 'gzip' }),
    ...fault.headers,
  });
  if (fault.drip) return drip(response, body, fault.drip, count);
  const part = fault.cutAt === undefined ? body : body.subarray(0, fault.cutAt);
  count(part.length);
  if (part.length === body.length && fault.length === undefined) return void response.end(part);
  response.write(part, () => {
    if (!fault.silent) setTimeout(() => response.destroy(), 2);
  });
}

function drip(
  response: ServerResponse,
  body: Uint8Array,
  [bytes, ms]: readonly [number, number],
  count: (bytes: number) => void,
): void {
  let at = 0;
  const timer = setInterval(() => {
    const part = body.subarray(at, at + bytes);
    at += bytes;
    count(part.length);
    response.write(part);
    if (at >= body.length) {
      clearInterval(timer);
      response.end();
    }
  }, ms);
  response.on('close', () => clearInterval(timer));
}
