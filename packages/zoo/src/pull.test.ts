import { existsSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointError } from '@unlabel/core';
import { sha256 } from '@unlabel/formats';
import { serveFaults, type Fault, type FaultServer } from '@unlabel/formats/fault-server';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { pulledDir, zooCacheDir } from './find.ts';
import type { IndexedEntry } from './index-file.ts';
import { pull, verifyPulled, type PullOptions } from './pull.ts';
import { blobPath, filesDir, pulledRecords, removePulled, sizeBelow } from './zoo-cache.ts';

const body = Buffer.from(Array.from({ length: 60_000 }, (_, i) => (i * 31) % 253));
const digest = sha256(body);
let server: FaultServer | undefined;
beforeEach(async () => {
  vi.stubEnv('UNLABEL_CACHE', await mkdtemp(join(tmpdir(), 'pull-')));
  vi.stubEnv('NO_PROXY', '*');
  vi.stubEnv('no_proxy', '*');
});
afterEach(() => {
  server?.close();
  vi.unstubAllEnvs();
});

const entry = (more: Partial<IndexedEntry> & { address?: string; hash?: string | null } = {}): IndexedEntry => {
  const { address = `${server?.url}/a.pth`, hash = digest, ...rest } = more;
  return {
    id: 'net.method_data',
    title: 'A net',
    method: 'method',
    form: 'upstream',
    upstream: null,
    files: [{ name: 'a.pth', addresses: [address], bytes: null, sha256: hash }],
    page: null,
    licence: { id: 'MIT', restricted: false, url: null },
    frontEnd: 'none',
    scores: [],
    source: 'test',
    notes: [],
    index: 'file:///index.json',
    ...rest,
  };
};
const patience: PullOptions['patience'] = { waitMs: 1, stallMs: 500 };
const serve = async (fault?: (call: number, path: string) => Fault | undefined): Promise<void> => {
  server = await serveFaults({ '/a.pth': body, '/mirror/net.method_data/a.pth': body }, fault);
};

test('a file is pulled once, under its name and its hash, and verified', async () => {
  await serve();
  const first = await pull(entry(), { patience });
  expect(first).toMatchObject({ isNew: true, dir: filesDir('net.method_data') });
  expect(first.record.files).toEqual([
    { name: 'a.pth', bytes: body.length, sha256: digest, isVerified: true, address: `${server!.url}/a.pth` },
  ]);
  expect(await readFile(join(first.dir, 'a.pth'))).toEqual(body);
  expect(await readFile(blobPath(digest))).toEqual(body);
  expect((await pull(entry(), { patience })).isNew).toBe(false);
  expect(server!.asked).toHaveLength(1);
  expect(await verifyPulled(first.record)).toEqual([]);
  await writeFile(join(first.dir, 'a.pth'), Buffer.alloc(body.length));
  expect(await verifyPulled(first.record)).toEqual(['a.pth: its content is not what was pulled']);
});

test('an unknown hash is recorded at the first pull, and marked', async () => {
  await serve();
  const { record } = await pull(entry({ hash: null }), { patience });
  expect(record.files[0]).toMatchObject({ sha256: digest, isVerified: false });
});

test('twenty pulls at once load the file once, even where its hash is unknown', async () => {
  await serve(() => ({ drip: [6000, 5] }));
  const results = await Promise.all(Array.from({ length: 20 }, () => pull(entry({ hash: null }), { patience })));
  expect(results.filter(({ isNew }) => isNew)).toHaveLength(1);
  expect(server!.sent).toBe(body.length);
});

test('a licence that restricts use is accepted once', async () => {
  await serve();
  const licence = { id: 'CC-BY-NC-4.0', restricted: true, url: 'https://example.org/nc', text: 'Not for sale.' };
  await expect(pull(entry({ licence }), { patience })).rejects.toThrow(/Not for sale\.[\s\S]*--accept-licence/);
  expect(server!.asked).toHaveLength(0);
  await pull(entry({ licence }), { patience, acceptLicence: true });
  await pull(entry({ licence, id: 'other.method_data' }), { patience });
});

test('a mirror comes before the address; a dead address falls through', async () => {
  await serve((call) => (call === 2 ? { status: 404 } : undefined));
  vi.stubEnv('UNLABEL_ZOO_MIRROR', `${server!.url}/mirror/`);
  await pull(entry(), { patience });
  await removePulled('net.method_data');
  const { record } = await pull(entry(), { patience });
  expect(server!.asked.map(({ path }) => path)).toEqual([
    '/mirror/net.method_data/a.pth',
    '/mirror/net.method_data/a.pth',
    '/a.pth',
  ]);
  expect(record.files[0]?.address).toBe(`${server!.url}/a.pth`);
});

test('a page where a file was expected ends with the way by hand, and --file takes it', async () => {
  await serve(() => ({ body: '<html><title>Sign in</title></html>', headers: { 'content-type': 'text/html' } }));
  const page = 'https://example.org/models';
  const failure = await pull(entry({ page }), { patience }).catch((error: unknown) => error as Error);
  expect(failure).toMatchObject({
    message: expect.stringContaining('A browser may still get a.pth at https://example.org/models'),
    faults: [expect.stringContaining('HTML page ("Sign in")')],
  });
  const file = join(await mkdtemp(join(tmpdir(), 'by-hand-')), 'any.bin');
  await writeFile(file, body.subarray(1));
  await expect(pull(entry({ page }), { file })).rejects.toThrow(/it is another file/);
  await writeFile(file, body);
  expect((await pull(entry({ page }), { file })).record.files[0]).toMatchObject({ isVerified: true, address: file });
  expect(existsSync(file)).toBe(true);
});

test('a hash that begins otherwise than the file’s name says is refused', async () => {
  await serve();
  const files = [
    { name: 'a.pth', addresses: [`${server!.url}/a.pth`], bytes: null, sha256: null, sha256Prefix: '00000000' },
  ];
  await expect(pull(entry({ files }), { patience })).rejects.toThrow(/begins with 00000000/);
  expect(await pulledRecords()).toEqual([]);
});

test('an abort leaves what the next pull goes on from', async () => {
  await serve((call) => (call === 1 ? { drip: [5000, 20] } : undefined));
  const stop = new AbortController();
  const onProgress = (_: string, loaded: number): void => void (loaded >= 10_000 && stop.abort());
  await expect(pull(entry(), { patience, signal: stop.signal, onProgress })).rejects.toThrow(
    /the same command goes on/,
  );
  await pull(entry(), { patience });
  expect(server!.asked[1]?.range).toMatch(/^bytes=\d{5}-$/);
});

test('what cannot be imported yet is kept, and imported when it can be', async () => {
  await serve();
  const refuse = (): Promise<void> => Promise.reject(new CheckpointError('the network is not built here yet'));
  const { record, dir } = await pull(entry(), { patience, importer: refuse });
  expect(record.notImported).toBe('the network is not built here yet');
  expect(dir).toBe(filesDir('net.method_data'));
  const importer = async (file: string, out: string): Promise<void> => {
    const { mkdir } = await import('node:fs/promises');
    await mkdir(out, { recursive: true });
    await writeFile(join(out, 'config.json'), String((await readFile(file)).length));
  };
  const again = await pull(entry(), { patience, importer });
  expect(again).toMatchObject({ isNew: false, dir: pulledDir('net.method_data'), record: { notImported: null } });
  expect(server!.asked).toHaveLength(1);
});

test('a checkpoint folder is pulled from an index beside it, and checked against its manifest', async () => {
  const config = Buffer.from('{}');
  const weights = Buffer.alloc(1000, 7);
  const parts = { 'config.json': config, 'model.safetensors': weights };
  const files = Object.entries(parts).map(([name, bytes]) => ({ name, bytes: bytes.length, sha256: sha256(bytes) }));
  const manifest = Buffer.from(JSON.stringify({ schema: 1, files, parent: null }));
  const all = { ...parts, 'manifest.json': manifest };
  const listed = Object.entries(all).map(([name, bytes]) => ({
    name,
    addresses: [`net.mine_data/${name}`],
    bytes: bytes.length,
    sha256: sha256(bytes),
  }));
  server = await serveFaults(
    Object.fromEntries(Object.entries(all).map(([name, bytes]) => [`/zoo/net.mine_data/${name}`, bytes])),
  );
  const ours = entry({ id: 'net.mine_data', form: 'checkpoint', files: listed, index: `${server.url}/zoo/index.json` });
  const { dir, record } = await pull(ours, { patience });
  expect(dir).toBe(pulledDir('net.mine_data'));
  expect(await readFile(join(dir, 'model.safetensors'))).toEqual(weights);
  expect(await verifyPulled(record)).toEqual([]);
  const short = listed.filter(({ name }) => name !== 'config.json');
  await expect(pull({ ...ours, id: 'net.other_data', files: short }, { patience })).rejects.toMatchObject({
    faults: ['config.json: is missing'],
  });
  expect(existsSync(pulledDir('net.other_data'))).toBe(false);
});

test('removing frees the blob only when nothing else needs it', async () => {
  await serve();
  await pull(entry(), { patience });
  await pull(entry({ id: 'other.method_data' }), { patience });
  expect(server!.asked).toHaveLength(1);
  await removePulled('net.method_data');
  expect(existsSync(blobPath(digest))).toBe(true);
  expect(await removePulled('other.method_data')).toBeGreaterThanOrEqual(body.length);
  expect(existsSync(blobPath(digest))).toBe(false);
  expect(await sizeBelow(zooCacheDir())).toBe(0);
});
