import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { encodeTar, sha256, type TarPart } from '@unlabel/formats';
import { beforeEach, expect, test } from 'vitest';

import { importArchive, openTask } from './index.ts';
import { writeTinyTask } from './testing.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unlabel-import-'));
});

async function partsOf(dir: string, prefix = 'hear-2021.0.6/tasks'): Promise<TarPart[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    files.map(async (file) => ({ name: `${prefix}/${relative(dirname(dir), file)}`, content: await readFile(file) })),
  );
}

async function archive(parts: readonly TarPart[], name = 'hear-tiny-16000.tar.gz'): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, name.endsWith('gz') ? gzipSync(encodeTar(parts)) : encodeTar(parts));
  return path;
}

/** Everything below the folder but the archive. */
const left = async (): Promise<string[]> =>
  (await readdir(folder, { recursive: true })).filter((name) => !name.includes('.tar')).sort();

test.each(['a.tar.gz', 'a.tar'])('imports %s, opens it, and says when it is there', async (name) => {
  const path = await archive([{ name: 'hear-2021.0.6/', type: '5' }, ...(await partsOf(await writeTinyTask()))], name);
  const out = join(folder, 'out');
  const digest = sha256(await readFile(path));
  const first = await importArchive({ archive: path, out, sha256: digest.toUpperCase() });
  expect(first).toEqual({ tasks: [join(out, 'tiny-v1-full')], wasThere: false, sha256: digest });
  expect((await openTask(first.tasks[0]!)).id).toBe('tiny');
  expect((await readdir(out)).sort()).toEqual(['.imports', 'tiny-v1-full']);
  expect((await importArchive({ archive: path, out })).wasThere).toBe(true);
});

test('adds another rate of a task that is there, and refuses one that differs', async () => {
  const out = join(folder, 'out');
  await importArchive({ archive: await archive(await partsOf(await writeTinyTask()), 'a.tar.gz'), out });
  const more = await partsOf(await writeTinyTask({ rates: [48000] }));
  const { tasks } = await importArchive({ archive: await archive(more, 'b.tar.gz'), out });
  expect((await openTask(tasks[0]!)).sampleRates).toEqual([16000, 48000]);
  const other = await partsOf(await writeTinyTask({ metadata: { version: 'v1', sample_duration: 2 } }));
  await expect(importArchive({ archive: await archive(other, 'c.tar.gz'), out })).rejects.toThrow(
    /differs from the archive/,
  );
});

const escape = [{ name: 'a.txt', content: 'a' }] as const;
test.each<readonly [string, readonly TarPart[], RegExp]>([
  ['an absolute path', [...escape, { name: '/tmp/unlabel-escape', content: 'x' }], /absolute path/],
  ['a path upwards', [...escape, { name: '../escape', content: 'x' }], /leads out/],
  ['a path upwards in the prefix', [{ name: 'escape', prefix: 'a/../..', content: 'x' }], /leads out/],
  [
    'a link and a file through it',
    [
      { name: 'l', type: '2', linkname: '..' },
      { name: 'l/escape', content: 'x' },
    ],
    /symbolic link/,
  ],
  ['a hard link', [{ name: 'l', type: '1', linkname: '../a' }], /hard link/],
  [
    'a pax path upwards',
    [
      { name: 'h', type: 'x', content: '18 path=../escape\n' },
      { name: 'ok', content: 'x' },
    ],
    /leads out/,
  ],
  [
    'a GNU name upwards',
    [
      { name: 'h', type: 'L', content: '../escape\0' },
      { name: 'ok', content: 'x' },
    ],
    /leads out/,
  ],
  [
    'one file twice',
    [
      { name: 'a', content: '1' },
      { name: './a', content: '2' },
    ],
    /is there twice/,
  ],
  [
    'a file where a folder is',
    [
      { name: 'a/b', content: '1' },
      { name: 'a', content: '2' },
    ],
    /is there twice/,
  ],
  [
    'a folder below a file',
    [
      { name: 'a', content: '1' },
      { name: 'a/b', content: '2' },
    ],
    /is there twice/,
  ],
  ['no task', escape, /holds no task/],
])('takes nothing from an archive with %s', async (_name, parts, message) => {
  const path = await archive(parts);
  await expect(importArchive({ archive: path, out: join(folder, 'out') })).rejects.toThrow(message);
  expect(await left()).toEqual(['out']);
  expect(existsSync('/tmp/unlabel-escape')).toBe(false);
});

test('takes nothing when the archive is cut short or has another hash', async () => {
  const path = await archive(await partsOf(await writeTinyTask()));
  const bytes = await readFile(path);
  await writeFile(path, bytes.subarray(0, bytes.length - 30));
  const out = join(folder, 'out');
  await expect(importArchive({ archive: path, out })).rejects.toThrow(/damaged or cut short/);
  await writeFile(path, bytes);
  await expect(importArchive({ archive: path, out, sha256: '0'.repeat(64) })).rejects.toThrow(
    /has the SHA-256 [0-9a-f]{64}, expected 0000/,
  );
  expect(await left()).toEqual(['out']);
  await expect(importArchive({ archive: path, out, limits: { bytes: 100 } })).rejects.toThrow(/more than 100 bytes/);
  await expect(importArchive({ archive: join(folder, 'none.tar.gz'), out })).rejects.toThrow(/is not a file/);
});

test('a link that stands in the target is not written through', async () => {
  const out = join(folder, 'out');
  const outside = join(folder, 'outside');
  await mkdir(out);
  await mkdir(outside);
  await symlink(outside, join(out, 'hear-2021.0.6'));
  const { tasks } = await importArchive({ archive: await archive(await partsOf(await writeTinyTask())), out });
  expect(basename(tasks[0]!)).toBe('tiny-v1-full');
  expect(await readdir(outside)).toEqual([]);
});
