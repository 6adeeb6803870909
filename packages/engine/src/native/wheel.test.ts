import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';

import { DeviceError } from '@unlabel/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { isKept } from './install.ts';
import { listWheel, parseRecord, sha256File, unpackWheel } from './wheel.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'wheel-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Member {
  readonly name: string;
  readonly data: Buffer;
  readonly store?: boolean;
  /** Announced size, when it should lie. */
  readonly bytes?: number;
}

/** A literal zip writer: local headers, data, central directory, end record. */
function zip(members: readonly Member[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data, store = false, bytes = data.length } of members) {
    const body = store ? data : deflateRawSync(data);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(store ? 0 : 8, 8);
    local.writeUInt32LE(body.length, 18);
    local.writeUInt32LE(bytes, 22);
    local.writeUInt16LE(Buffer.byteLength(name), 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(store ? 0 : 8, 10);
    central.writeUInt32LE(body.length, 20);
    central.writeUInt32LE(bytes, 24);
    central.writeUInt16LE(Buffer.byteLength(name), 28);
    central.writeUInt32LE(offset, 42);
    parts.push(local, Buffer.from(name), body);
    directory.push(central, Buffer.from(name));
    offset += local.length + Buffer.byteLength(name) + body.length;
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, list, end]);
}

const recordLine = (name: string, data: Buffer): string =>
  `${name},sha256=${createHash('sha256').update(data).digest('base64url')},${data.length}`;

let count = 0;
function wheel(members: readonly Member[], record?: string): string {
  const text = record ?? members.map(({ name, data }) => recordLine(name, data)).join('\n');
  const file = join(folder, `w${count++}.whl`);
  writeFileSync(file, zip([...members, { name: 'a-1.dist-info/RECORD', data: Buffer.from(text) }]));
  return file;
}

const library: Member = { name: 'tensorflow/libtensorflow_cc.so.2', data: Buffer.alloc(3_000_000, 'library ') };
const header: Member = { name: 'tensorflow/include/tensorflow/c/c_api.h', data: Buffer.from('int x;\n'), store: true };
const code: Member = { name: 'tensorflow/python/a.py', data: Buffer.from('pass\n') };

describe('a wheel', () => {
  test('gives the members chosen, deflated or stored, and nothing else', async () => {
    const out = join(folder, 'out');
    const names = await unpackWheel(wheel([library, header, code]), out, isKept);
    expect(names).toEqual([library.name, header.name]);
    expect(readFileSync(join(out, library.name)).equals(library.data)).toBe(true);
    expect(readFileSync(join(out, header.name)).equals(header.data)).toBe(true);
    expect(readdirSync(join(out, 'tensorflow'))).not.toContain('python');
  });

  test('is refused when a member differs from RECORD', async () => {
    const file = wheel([library], recordLine(library.name, Buffer.from('other')));
    await expect(unpackWheel(file, join(folder, 'b'), isKept)).rejects.toThrow(/RECORD says/);
  });

  test('is refused when a member kept is not in RECORD', async () => {
    await expect(unpackWheel(wheel([library], ''), join(folder, 'c'), isKept)).rejects.toThrow(/not in RECORD/);
  });

  test.each(['../evil.so', '/evil.so', 'a/../../evil.so', 'a\\evil.so'])(
    'is refused with the path %s',
    async (name) => {
      const file = wheel([{ name, data: Buffer.from('x') }]);
      await expect(unpackWheel(file, join(folder, 'd'), () => true)).rejects.toThrow(/unsafe path|not in RECORD/);
      await expect(unpackWheel(file, join(folder, 'd'), () => true)).rejects.toThrow(DeviceError);
    },
  );

  test('is refused when a member inflates beyond its announced size', async () => {
    const file = wheel([{ ...library, bytes: 1000 }]);
    await expect(unpackWheel(file, join(folder, 'e'), isKept)).rejects.toThrow(/more than the 1000 bytes/);
  });

  test('is refused when it is cut short or no zip at all', async () => {
    const whole = readFileSync(wheel([library, header]));
    const cut = join(folder, 'cut.whl');
    for (const length of [0, 10, whole.length >> 1, whole.length - 30]) {
      writeFileSync(cut, whole.subarray(0, length));
      await expect(listWheel(cut)).rejects.toThrow(DeviceError);
    }
  });
});

test('RECORD lines without a hash, with quotes or commas are left out', () => {
  const hash = 'A'.repeat(43);
  const record = `a.py,sha256=${hash},3\r\nRECORD,,\n"b,c.py",sha256=${hash},1\nd.py,md5=abc,1\n`;
  expect([...parseRecord(record)]).toEqual([['a.py', hash]]);
});

test('the sha256 of a file is that of its bytes', async () => {
  const file = join(folder, 'plain');
  writeFileSync(file, 'abc');
  expect(await sha256File(file)).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});
