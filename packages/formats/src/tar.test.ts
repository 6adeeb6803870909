import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { DataError } from '@unlabel/core';
import { expect, test } from 'vitest';
import { gunzipStream } from './gunzip.ts';
import { readTar, safeTarPath, type TarLimits } from './tar.ts';
import { paxRecord, encodeTar } from './tar-encode.ts';

/** Chunks of an odd size, so that headers and contents are cut everywhere. */
async function* cut(bytes: Uint8Array, size = 300): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function list(bytes: Uint8Array, limits: TarLimits = {}, size?: number): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, type, content } of readTar(cut(bytes, size), 'a.tar', limits)) {
    const parts: Uint8Array[] = [];
    for await (const piece of content) parts.push(piece.slice());
    found.push(`${type} ${name} ${Buffer.concat(parts).toString()}`);
  }
  return found;
}

test.each([1, 300, 512, 100000])('reads files and folders in chunks of %i bytes', async (size) => {
  const bytes = encodeTar([
    { name: 'a/', type: '5' },
    { name: 'a/one.txt', content: 'x'.repeat(700) },
    { name: 'empty' },
    { name: 'two', prefix: 'deep/er', content: '2' },
  ]);
  expect(await list(bytes, {}, size)).toEqual([
    'folder a/ ',
    `file a/one.txt ${'x'.repeat(700)}`,
    'file empty ',
    'file deep/er/two 2',
  ]);
});

test('contents that are not read are passed over', async () => {
  const names: string[] = [];
  for await (const { name } of readTar(
    cut(encodeTar([{ name: 'a', content: 'x'.repeat(2000) }, { name: 'b' }])),
    'a.tar',
  ))
    names.push(name);
  expect(names).toEqual(['a', 'b']);
});

test('takes long names of GNU and pax, and sizes beyond octal', async () => {
  const long = `${'d'.repeat(90)}/${'f'.repeat(90)}`;
  const pax = paxRecord('path', 'päx/name') + paxRecord('size', '3');
  const big = new Uint8Array(12);
  big[0] = 0x80;
  big[11] = 5;
  const bytes = encodeTar([
    { name: '././@LongLink', type: 'L', content: `${long}\0` },
    { name: 'short', content: '1' },
    { name: 'PaxHeaders', type: 'x', content: pax },
    { name: 'other', content: 'abc' },
    { name: 'pax_global_header', type: 'g', content: paxRecord('comment', 'x') },
    { name: 'plain', content: 'hello', size: big },
  ]);
  expect(await list(bytes)).toEqual([`file ${long} 1`, 'file päx/name abc', 'file plain hello']);
});

const negative = new Uint8Array(12).fill(0xff);
const huge = new Uint8Array(12);
huge.set([0x80, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
const damages: readonly (readonly [string, Buffer, RegExp])[] = [
  ['a symbolic link', encodeTar([{ name: 'l', type: '2', linkname: '/etc' }]), /"l" is a symbolic link/],
  ['a hard link', encodeTar([{ name: 'l', type: '1', linkname: 'a' }]), /a hard link/],
  ['a character device', encodeTar([{ name: 'l', type: '3' }]), /a character device/],
  ['a block device', encodeTar([{ name: 'l', type: '4' }]), /a block device/],
  ['a pipe', encodeTar([{ name: 'l', type: '6' }]), /a named pipe/],
  ['an old sparse file', encodeTar([{ name: 'l', type: 'S' }]), /a sparse file/],
  [
    'a pax sparse file',
    encodeTar([{ name: 'h', type: 'x', content: paxRecord('GNU.sparse.major', '1') }, { name: 'l' }]),
    /a sparse file/,
  ],
  ['an unknown type', encodeTar([{ name: 'l', type: 'V' }]), /of type "V"/],
  ['a negative size', encodeTar([{ name: 'a', size: negative }]), /states a size that cannot be/],
  ['a size beyond counting', encodeTar([{ name: 'a', size: huge }]), /states a size that cannot be/],
  ['a size of letters', encodeTar([{ name: 'a', size: 'zzzzzzzzzzz' }]), /states a size that cannot be/],
  ['eight GiB stated, none there', encodeTar([{ name: 'a', size: '77777777777' }]), /ends within "a"/],
  [
    'a pax size of letters',
    encodeTar([{ name: 'h', type: 'x', content: paxRecord('size', '-1') }, { name: 'a' }]),
    /pax header states the size/,
  ],
  [
    'a pax header that lies of its length',
    encodeTar([{ name: 'h', type: 'x', content: '999 path=x\n' }, { name: 'a' }]),
    /pax header is malformed/,
  ],
  ['a long name without end', encodeTar([{ name: 'h', type: 'L', size: '00077777777' }]), /a header of 16777215 bytes/],
  ['a folder with content', encodeTar([{ name: 'a/', type: '5', content: 'x' }]), /folder "a\/" states 1 bytes/],
  ['no closing blocks', encodeTar([{ name: 'a', content: 'x' }], { close: false }), /without its closing blocks/],
  ['half a header', encodeTar([{ name: 'a' }], { close: false }).subarray(0, 300), /ends within a header/],
  ['half a file', encodeTar([{ name: 'a', content: 'x'.repeat(2000) }]).subarray(0, 1200), /ends within "a"/],
  ['no tar at all', Buffer.from('RIFF'.repeat(200)), /no tar archive/],
];

test.each(damages)('refuses %s', async (_name, bytes, message) => {
  const error = await list(bytes).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(DataError);
  expect((error as Error).message).toMatch(message);
});

test('refuses a flipped bit in a header', async () => {
  const bytes = encodeTar([{ name: 'a', content: 'x' }]);
  bytes[3]! ^= 1;
  await expect(list(bytes)).rejects.toThrow(/checksum does not fit/);
});

test('bounds entries, a file and all files', async () => {
  const bytes = encodeTar([
    { name: 'a', content: 'x'.repeat(600) },
    { name: 'b', content: 'y'.repeat(600) },
  ]);
  await expect(list(bytes, { entries: 1 })).rejects.toThrow(/more than 1 entries/);
  await expect(list(bytes, { fileBytes: 599 })).rejects.toThrow(/states 600 bytes/);
  await expect(list(bytes, { bytes: 1000 })).rejects.toThrow(/more than 1000 bytes/);
});

test.each([
  ['/etc/passwd', /absolute/],
  ['C:/x', /absolute/],
  ['a/../../x', /leads out/],
  ['..', /leads out/],
  ['./../x', /leads out/],
  ['a\\..\\x', /backslashes/],
  ['a\nb', /control/],
  ['a/b:c', /none on every system/],
  ['a./b', /none on every system/],
  [`${'x'.repeat(256)}`, /255/],
  ['d/'.repeat(40), /32 folders/],
])('no path is made of %j', (name, message) => {
  const path = safeTarPath(name);
  expect('fault' in path && path.fault).toMatch(message);
});

test.each([
  ['./a/b.wav', ['a', 'b.wav']],
  ['a//b/', ['a', 'b']],
  ['./', []],
  ['hear-2021/tasks/x..y/1 2.wav', ['hear-2021', 'tasks', 'x..y', '1 2.wav']],
])('%j is a path', (name, parts) => {
  expect(safeTarPath(name)).toEqual({ parts });
});

const gunzip = async (bytes: Uint8Array): Promise<number> => {
  let total = 0;
  for await (const chunk of gunzipStream(Readable.from([bytes]), 'a.gz')) total += chunk.length;
  return total;
};

test('gunzips members one after another, and stops at a bomb, at damage and at a cut', async () => {
  const part = gzipSync(Buffer.from('x'.repeat(1000)));
  expect(await gunzip(Buffer.concat([part, part]))).toBe(2000);
  await expect(gunzip(gzipSync(Buffer.alloc(50e6)))).rejects.toThrow(/swells to more than 200 times/);
  await expect(gunzip(part.subarray(0, -10))).rejects.toThrow(/damaged or cut short/);
  await expect(gunzip(Buffer.concat([part.subarray(0, 12), Buffer.alloc(20, 255)]))).rejects.toThrow(
    /damaged or cut short/,
  );
});
