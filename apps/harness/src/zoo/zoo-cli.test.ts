/** `unlabel zoo` as a user sees it: real processes against a local server of faults. */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sha256 } from '@unlabel/formats';
import { serveFaults, type Fault, type FaultServer } from '@unlabel/formats/fault-server';
import { afterEach, expect, test } from 'vitest';

const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
const body = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 31) % 253));
const digest = sha256(body);
let server: FaultServer | undefined;
afterEach(() => server?.close());

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Scene {
  readonly folder: string;
  readonly index: string;
  readonly run: (...args: string[]) => Promise<Ran>;
  readonly start: (...args: string[]) => ReturnType<typeof spawn>;
}

const flags = ['--conditions=@unlabel/source', '--no-warnings', cli, 'zoo'];

async function scene(fault?: (call: number, path: string) => Fault | undefined, more: object = {}): Promise<Scene> {
  server = await serveFaults({ '/a.pth': body }, fault);
  const folder = await mkdtemp(join(tmpdir(), 'zoo-cli-'));
  const index = join(folder, 'index.json');
  const entry = {
    id: 'net.method_data',
    title: 'A net',
    method: 'method',
    form: 'upstream',
    upstream: null,
    files: [{ name: 'a.pth', addresses: [`${server.url}/a.pth`], bytes: null, sha256: digest }],
    page: 'https://example.org/nets',
    licence: { id: 'MIT', restricted: false, url: null },
    frontEnd: '16 kHz waveform',
    scores: [{ task: 'esc50', metric: 'accuracy %', value: 95.6, table: 'Table 1' }],
    source: 'test',
    ...more,
  };
  await writeFile(index, JSON.stringify({ schema: 1, entries: [entry] }));
  const env = {
    ...process.env,
    UNLABEL_CACHE: join(folder, 'cache'),
    UNLABEL_ZOO_INDEX: index,
    UNLABEL_DISPLAY: 'none',
    NO_PROXY: '*',
    no_proxy: '*',
  };
  return {
    folder,
    index,
    run: (...args) =>
      new Promise((resolve) => {
        const child = execFile(process.execPath, [...flags, ...args], { env, cwd: folder }, (_, stdout, stderr) =>
          resolve({ status: child.exitCode, stdout, stderr }),
        );
      }),
    start: (...args) =>
      spawn(process.execPath, [...flags, ...args], { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] }),
  };
}

test('ls, show, pull, verify, du and rm of one checkpoint', async () => {
  const { run, folder } = await scene((call) => (call === 1 ? { cutAt: 70_000 } : undefined));
  expect((await run('ls', 'net.', 'a net')).stdout).toMatch(/^net\.method_data +- +\? {2}A net \(MIT\)\n1 checkpoints/);
  expect((await run('show', 'net.method_data')).stdout).toContain('score      esc50: 95.6 accuracy % (Table 1)');
  const pulled = await run('pull', 'net.method_data');
  expect(pulled).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('not turned into a checkpoint: no key map'),
  });
  expect(await readFile(join(folder, 'cache/zoo/files/net.method_data/a.pth'))).toEqual(body);
  expect(server!.asked.map(({ range }) => range)).toEqual([undefined, 'bytes=70000-']);
  expect(JSON.parse((await run('ls', '--pulled', '--json')).stdout)).toContainEqual(
    expect.objectContaining({ id: 'net.method_data', state: 'file', bytes: body.length }),
  );
  expect((await run('verify', 'net.method_data')).stdout).toMatch(/^ok +net\.method_data {2}1 files, 0\.2 MB\n$/);
  expect(JSON.parse((await run('du', '--json')).stdout)).toMatchObject({
    checkpoints: [{ id: 'net.method_data', bytes: body.length }],
  });
  await writeFile(join(folder, 'cache/zoo/files/net.method_data/a.pth'), Buffer.alloc(body.length));
  expect(await run('verify')).toMatchObject({ status: 1, stderr: expect.stringContaining('not what was pulled') });
  expect(await run('rm', 'net.method_data')).toMatchObject({ status: 0, stdout: 'net.method_data: 200 kB freed\n' });
  expect(existsSync(join(folder, 'cache/zoo/files/net.method_data'))).toBe(false);
}, 30_000);

test('Ctrl-C leaves a pull that the same command goes on with', async () => {
  const { run, start, folder } = await scene((call) => (call === 1 ? { drip: [2000, 20] } : undefined));
  const child = start('pull', 'net.method_data');
  const errors: Buffer[] = [];
  child.stderr!.on('data', (block: Buffer) => errors.push(block));
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const part = join(folder, 'cache/zoo/blobs', `${digest}.incomplete`);
  while (!existsSync(part) || (await readFile(part)).length < 10_000)
    await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill('SIGINT');
  expect(await ended).toBe(130);
  expect(Buffer.concat(errors).toString()).toMatch(
    /Stopped; what is loaded is kept\. Go on with: npx unlabel zoo pull/,
  );
  expect((await run('pull', 'net.method_data')).status).toBe(0);
  expect(server!.asked[1]?.range).toMatch(/^bytes=\d{5}-$/);
  expect(server!.asked[1]?.range).not.toBe('bytes=0-');
}, 30_000);

test('four processes at once download once', async () => {
  const { run } = await scene(() => ({ drip: [10_000, 50] }));
  const all = await Promise.all(Array.from({ length: 4 }, () => run('pull', 'net.method_data', '--json')));
  expect(all.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
  expect(new Set(all.map(({ stdout }) => stdout)).size).toBe(1);
  expect(server!.sent).toBe(body.length);
}, 30_000);

test('licence, unknown id, wrong hash, offline: named, with the exit status of each', async () => {
  const licence = { id: 'CC-BY-NC-4.0', restricted: true, url: null, text: 'Not for sale.' };
  const { run } = await scene(() => ({ body: 'something else' }), { licence });
  expect(await run('pull', 'net.methd_data')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('net.method_data'),
  });
  expect(await run('pull', 'net.method_data')).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/Not for sale\.[\s\S]*--accept-licence/),
  });
  expect(server!.asked).toHaveLength(0);
  expect(await run('pull', 'net.method_data', '--accept-licence')).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/https:\/\/example\.org\/nets[\s\S]*has the SHA-256/),
  });
}, 30_000);
