import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readJsonRecords } from './json-records.ts';

const folder = await mkdtemp(join(tmpdir(), 'unlabel-records-'));
let files = 0;
async function read(text: string | Uint8Array, keys: readonly string[], chunkBytes = 7): Promise<[string, unknown][]> {
  const path = join(folder, `${files++}.json`);
  await writeFile(path, text);
  const seen: [string, unknown][] = [];
  await readJsonRecords(
    path,
    Object.fromEntries(keys.map((key) => [key, (one: unknown) => void seen.push([key, one])])),
    {
      chunkBytes,
    },
  );
  return seen;
}

const value = {
  info: { note: 'a "quoted\\" ] } text', images: [1] },
  images: [
    { id: 1, name: 'ä ] "' },
    { id: 2, deep: [[1], { images: [7] }] },
  ],
  'odd\\"key': [],
  annotations: [],
  categories: [3, null, 'x', [4, 5]],
};

describe('records', () => {
  test.each([1, 2, 3, 7, 64, 4096])('are the same whatever the chunks (%i bytes)', async (chunkBytes) => {
    for (const space of [undefined, 2]) {
      const seen = await read(JSON.stringify(value, null, space), ['images', 'annotations', 'categories'], chunkBytes);
      expect(seen).toEqual([
        ...value.images.map((one) => ['images', one]),
        ...value.categories.map((one) => ['categories', one]),
      ]);
    }
  });

  test('of a top-level array come under the empty key', async () => {
    expect(await read('[{"a": 1}, [2], "]"]', [''])).toEqual([
      ['', { a: 1 }],
      ['', [2]],
      ['', ']'],
    ]);
    expect(await read(' [ ] ', [''])).toEqual([]);
  });

  test('keys that are absent are missing from what is returned', async () => {
    const path = join(folder, 'keys.json');
    await writeFile(path, '\ufeff{"a": [], "b": {"c": []}}');
    const handlers = { a: () => {}, b: () => {}, c: () => {} };
    expect([...(await readJsonRecords(path, handlers))]).toEqual(['a']);
  });
});

test.each([
  ['', 'ends in the middle'],
  ['{"a": [1, 2', 'ends in the middle'],
  ['{"a": [1, x]}', 'is not JSON ("a", after 0 records'],
  ['{"a": [1, NaN]}', 'NaN and Infinity are not JSON'],
  ['{"a": [1,]}', 'is not JSON'],
  ['{"a":[1,]}', 'is not JSON'],
  ['{"a": [,1]}', 'is not JSON'],
  ['{"a": [], "a": []}', 'holds "a" twice'],
  ['{"a": []} {', 'goes on after the end'],
  ['12', 'expected an object or an array'],
  [Uint8Array.of(0x7b, 0x22, 0x61, 0x22, 0x3a, 0x5b, 0x22, 0xff, 0x22, 0x5d, 0x7d), 'is not UTF-8'],
])('%j is refused', async (text, message) => {
  await expect(read(text, ['a'])).rejects.toThrow(message);
});

test('a file that is not there, and a record without end', async () => {
  await expect(readJsonRecords(join(folder, 'none.json'), {})).rejects.toThrow('could not be read (ENOENT');
  const path = join(folder, 'long.json');
  await writeFile(path, `["${'x'.repeat(500)}"]`);
  await expect(readJsonRecords(path, { '': () => {} }, { chunkBytes: 16, maxRecordBytes: 100 })).rejects.toThrow(
    'a record of more than 100 bytes',
  );
});
