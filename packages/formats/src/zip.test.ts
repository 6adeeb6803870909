import { createRng } from '@unlabel/core';
import { describe, expect, test } from 'vitest';
import { zipOf } from './hostile-bytes.ts';
import { damage, fixture, fixturePath, outcome } from './testing.ts';
import { openZip, readZip } from './zip.ts';

const bytes = fixture('plain.zip');
const text = (content: Uint8Array): string => new TextDecoder().decode(content);

/** Where `needle` stands for the n-th time. */
function find(needle: string, nth = 1): number {
  let at = -1;
  for (let i = 0; i < nth; i++) at = Buffer.from(bytes).indexOf(needle, at + 1, 'latin1');
  return at;
}
const changed = (at: number, values: readonly number[]): Uint8Array => {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
};

test('reads stored, deflated and 64-bit entries that Python wrote, from memory and disk', async () => {
  const zip = readZip(bytes);
  expect([...zip.entries.keys()]).toEqual(['a/stored.txt', 'a/deflated.txt', 'grüße.txt']);
  const reader = await openZip(fixturePath('plain.zip'));
  for (const [name, content] of [
    ['a/stored.txt', 'stored'],
    ['a/deflated.txt', 'deflate '.repeat(500)],
    ['grüße.txt', '64'],
  ] as const) {
    expect(text(zip.read(name))).toBe(content);
    expect(text(await reader.read(name))).toBe(content);
  }
  await reader.close();
  expect(() => zip.read('a/folder/')).toThrow(/no entry "a\/folder\/"/);
});

describe('an archive that cannot be', () => {
  const stored = find('PK\x01\x02'); // directory entries, in order
  const deflated = find('PK\x01\x02', 2);

  test.each<[string, Uint8Array, RegExp]>([
    ['is something else', new Uint8Array(100), /no end record/],
    ['is cut', bytes.slice(0, bytes.length - 1), /no end record/],
    ['climbs out of its folder', changed(stored + 46, [...Buffer.from('../etc/pass!')]), /names a path outside/],
    ['names an absolute path', changed(stored + 46, [0x2f]), /names a path outside/],
    ['names a drive', changed(stored + 46, [...Buffer.from('C:')]), /names a path outside/],
    ['names a backslash', changed(stored + 47, [0x5c]), /names a path outside/],
    ['is encrypted', changed(stored + 8, [1]), /encrypted/],
    ['is compressed otherwise', changed(stored + 10, [14]), /method 14/],
    ['has stored content of two sizes', changed(stored + 24, [9]), /two different sizes/],
    [
      'has content beyond the directory',
      changed(deflated + 42, [0xff, 0xff, 0xff, 0x7f]),
      /does not lie before the directory/,
    ],
    ['has entries that share content', changed(deflated + 42, [1, 0, 0, 0]), /overlaps/],
  ])('%s', (_, archive, message) => {
    expect(() => readZip(archive, 'x.zip')).toThrow(message);
    expect(() => readZip(archive, 'x.zip')).toThrow(/^x\.zip: /);
  });

  test('states a size or checksum that its content does not have', () => {
    const content = new Uint8Array(4000);
    const read = (lie: object) => readZip(zipOf([{ name: 'x', content, deflate: true, ...lie }])).read('x');
    expect(() => read({ size: 16 })).toThrow(/damaged or larger than its 16 bytes/);
    expect(() => read({ size: 65535 })).toThrow(/has 4000 bytes, the directory states 65535/);
    expect(() => read({ crc: 1 })).toThrow(/does not match its checksum/);
    expect([...read({})]).toEqual([...content]);
  });

  test('states more content than so few bytes can honestly hold', () => {
    const bomb = zipOf([{ name: 'x', content: new Uint8Array(16), deflate: true, size: 2 ** 26 + 1 }]);
    expect(() => readZip(bomb)).toThrow(/state 67108865 of content; more than 100 times as much is not unpacked/);
    const half = { content: new Uint8Array(16), deflate: true, size: 2 ** 25 + 1 };
    const halves = [
      { name: 'x', ...half },
      { name: 'y', ...half },
    ];
    expect(() => readZip(zipOf(halves))).toThrow(/not unpacked/);
  });

  test('says one thing in its directory and another beside the content', () => {
    const entry = { name: 'x', content: new Uint8Array(16) };
    const read = (lie: object) => readZip(zipOf([{ ...entry, ...lie }])).read('x');
    for (const lie of [{ localFlags: 1 }, { localMethod: 8 }, { localSize: 7 }])
      expect(() => read(lie)).toThrow(/not what its local header says/);
    expect([...read({ localSize: 0xffffffff })]).toEqual([...entry.content]); // as ZIP64 writers have it
    expect([...read({ localFlags: 8, localSize: 0 })]).toEqual([...entry.content]); // sizes follow the content
    const renamed = changed(30, [0x62]);
    expect(() => readZip(renamed).read('a/stored.txt')).toThrow(/another name/);
  });
});

test('every damaged archive is read or refused with a DataError', async () => {
  const rng = createRng(5);
  const counts = { read: 0, refused: 0 };
  for (let i = 0; i < 2000; i++) {
    const archive = damage(bytes, rng.fork(i));
    const all = () => {
      const zip = readZip(archive);
      for (const name of zip.entries.keys()) zip.read(name);
    };
    counts[await outcome(all)]++;
  }
  expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(20);
});
