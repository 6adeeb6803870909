import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readJson, sha256, sha256File, writeFileAtomic, writeJsonAtomic } from './files.ts';

let dir: string;
beforeEach(async () => void (dir = await mkdtemp(join(tmpdir(), 'formats-'))));
afterEach(() => rm(dir, { recursive: true }));

test('writes text, bytes and parts into folders that it makes, and leaves nothing else behind', async () => {
  const path = join(dir, 'a/b/file.bin');
  await writeFileAtomic(path, 'grüße');
  expect(await readFile(path, 'utf8')).toBe('grüße');
  await writeFileAtomic(path, Uint8Array.of(1, 2));
  await writeFileAtomic(path, [Uint8Array.of(3), new Uint8Array(0), Uint8Array.of(4, 5)]);
  expect([...(await readFile(path))]).toEqual([3, 4, 5]);
  expect(await readdir(join(dir, 'a/b'))).toEqual(['file.bin']);
});

test('keeps the old file and no temporary one when writing fails', async () => {
  await writeFileAtomic(join(dir, 'file'), 'old');
  await expect(writeFileAtomic(join(dir, 'file/inside'), 'x')).rejects.toThrow(
    /file\/inside: the file could not be written/,
  );
  await expect(writeFileAtomic(dir, 'x')).rejects.toThrow(/could not be written/);
  expect(await readdir(dir)).toEqual(['file']);
  expect(await readFile(join(dir, 'file'), 'utf8')).toBe('old');
});

test('many writers of one file leave one whole content', async () => {
  const path = join(dir, 'file');
  await Promise.all(Array.from({ length: 20 }, (_, i) => writeFileAtomic(path, String(i).repeat(5000))));
  expect(new Set(await readFile(path, 'utf8')).size).toBeLessThanOrEqual(2);
  expect(await readdir(dir)).toEqual(['file']);
});

test('writes JSON that reads back, with a final newline', async () => {
  const path = join(dir, 'x.json');
  const value = { a: [1, null, 'x', { b: true }], skipped: undefined, date: new Date(0) };
  await writeJsonAtomic(path, value);
  expect(await readJson(path)).toEqual({ a: value.a, date: '1970-01-01T00:00:00.000Z' });
  expect((await readFile(path, 'utf8')).endsWith('  ]\n}\n') || (await readFile(path, 'utf8')).endsWith('\n}\n')).toBe(
    true,
  );
});

const cyclic: unknown[] = [];
cyclic.push({ cyclic });
test.each<[string, unknown, RegExp]>([
  ['NaN', { scores: [{ top1: 1 }, { top1: NaN }] }, /x\.json: field scores\[1\]\.top1 is NaN, which JSON cannot hold/],
  ['Infinity', [Infinity], /field \[0\] is Infinity/],
  ['a bare NaN', NaN, /the value is NaN/],
  ['a typed array', { z: new Float32Array(2) }, /field z is a typed array/],
  ['a Map', { m: new Map() }, /field m is a Map/],
  ['a bigint', { n: 1n }, /field n is a bigint/],
  ['undefined in an array', [undefined], /field \[0\] is undefined/],
  ['a cycle', cyclic, /own parents/],
  ['a number behind toJSON', { t: { toJSON: () => NaN } }, /field t is NaN/],
])('refuses to write %s as JSON', async (_, value, message) => {
  await expect(writeJsonAtomic(join(dir, 'x.json'), value)).rejects.toThrow(message);
  expect(await readdir(dir)).toEqual([]);
});

test('names the file that is not JSON or not there', async () => {
  await writeFile(join(dir, 'bad.json'), '{"a": }');
  await expect(readJson(join(dir, 'bad.json'))).rejects.toThrow(/bad\.json: expected JSON/);
  await expect(readJson(join(dir, 'none.json'))).rejects.toThrow(/none\.json: the file could not be read/);
});

test('hashes as FIPS 180-4 says', async () => {
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  expect(sha256('abc')).toBe(abc);
  expect(sha256(new TextEncoder().encode('abc'))).toBe(abc);
  await writeFile(join(dir, 'abc'), 'abc');
  expect(await sha256File(join(dir, 'abc'))).toBe(abc);
  await expect(sha256File(join(dir, 'none'))).rejects.toThrow(/none: the file could not be read/);
});
