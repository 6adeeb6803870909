import { createRng } from '@unlabel/core';
import { describe, expect, test } from 'vitest';
import { decodeNpy, decodeNpyNames, encodeNpy } from './npy.ts';
import { damage, fixtureJson, outcome } from './testing.ts';

const files = Object.fromEntries(
  Object.entries(fixtureJson('npy.json') as Record<string, string>).map(([k, v]) => [
    k,
    new Uint8Array(Buffer.from(v, 'hex')),
  ]),
);

describe('arrays that numpy wrote', () => {
  test.each<[string, object, number[]]>([
    ['f64', Float64Array.of(1.5, -2.25e-300, Math.PI, 1e300), [2, 2]],
    ['f32', Float32Array.of(1.1, -0, 3.4e38), [3]],
    ['f16', Float32Array.of(0.0999755859375, -65504, 1 / 2 ** 24, 1), [4]],
    ['i64', Int32Array.of(-2147483648, 2147483647, 0, -1), [4]],
    ['i32', Int32Array.of(1, -2, 3), [1, 3]],
    ['i16', Int32Array.of(-3, 300), [2]],
    ['u8', Uint8Array.of(0, 1, 2, 3, 4), [5]],
    ['bool', Uint8Array.of(1, 0, 1), [3]],
    ['scalar', Float32Array.of(7), []],
    ['empty', new Float32Array(0), [0, 3]],
    ['fortran', Float32Array.from({ length: 24 }, (_, i) => i), [2, 3, 4]],
  ])('%s', (name, data, shape) => {
    expect(decodeNpy(files[name]!)).toEqual({ data, shape });
  });

  test('are written back to the same bytes', () => {
    for (const name of ['f64', 'f32', 'i32', 'u8', 'scalar', 'empty']) {
      expect(Buffer.from(encodeNpy(decodeNpy(files[name]!))).equals(files[name]!), name).toBe(true);
    }
  });

  test('are refused when they are objects or big-endian', () => {
    expect(() => decodeNpy(files['objects']!, 'x.npy')).toThrow(/^x\.npy: elements of type '\|O' are not read/);
    expect(() => decodeNpy(files['big']!)).toThrow(/'>f4'/);
  });
});

/** A version 1.0 file with this header and 12 bytes of data. */
function withHeader(header: string): Uint8Array {
  const text = header.padEnd(118);
  return Uint8Array.from([
    0x93,
    ...Buffer.from('NUMPY\x01\0'),
    text.length,
    0,
    ...Buffer.from(text),
    ...Array<number>(12).fill(0),
  ]);
}

test.each<[string, RegExp]>([
  [`{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}`, /takes 16 bytes, the file has 12/],
  [`{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}`, /expected a shape|too large/],
  [`{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 0)}`, /too large/],
  [`{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}`, /malformed/],
  [`{'descr': '<f4', 'fortran_order': False, 'shape': (3)}[0]`, /malformed/],
  [`{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}`, /malformed/],
  [`{'descr': '<f4', 'shape': (3,)}`, /malformed/],
  [`{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}`, /malformed/],
  [`__import__('os')`, /malformed/],
  [`{'descr': 'constructor', 'fortran_order': False, 'shape': (3,)}`, /'constructor' are not read/],
])('refuses the header %s', (header, message) => {
  expect(() => decodeNpy(withHeader(header))).toThrow(message);
});

test('refuses to write a shape that does not hold the data', () => {
  expect(() => encodeNpy({ data: new Float32Array(3), shape: [2] })).toThrow(
    /shape \[2\] does not hold the 3 elements/,
  );
});

test('refuses 64-bit integers that do not fit', () => {
  const bytes = files['i64']!.slice();
  bytes[bytes.length - 1] = 0x7f;
  expect(() => decodeNpy(bytes)).toThrow(/element 3 is the 64-bit integer 9223372036854775807/);
});

test('every damaged file is read or refused with a DataError', async () => {
  const rng = createRng(3);
  const counts = { read: 0, refused: 0 };
  for (const [name, bytes] of Object.entries(files)) {
    for (let i = 0; i < 100; i++) counts[await outcome(() => decodeNpy(damage(bytes, rng.fork(`${name} ${i}`))))]++;
  }
  expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(50);
});

test('names are texts or whole numbers along one axis', () => {
  const header = (descr: string, shape: string, data: Uint8Array): Uint8Array => {
    const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }\n`;
    return Buffer.concat([Buffer.from([0x93]), Buffer.from('NUMPY\x01\x00'), Buffer.from([text.length, 0]), Buffer.from(text), data]); // prettier-ignore
  };
  const texts = new Uint8Array(Uint32Array.from([97, 0x1f600, 0, 98, 99, 100]).buffer);
  expect(decodeNpyNames(header('<U3', '(2,)', texts))).toEqual(['a😀', 'bcd']);
  expect(decodeNpyNames(encodeNpy({ data: Int32Array.of(7, -1), shape: [2] }))).toEqual(['7', '-1']);
  expect(() => decodeNpyNames(header('<U3', '(3,)', texts), 'x')).toThrow('x: shape [3] of <U3 takes 36 bytes, the file has 24'); // prettier-ignore
  expect(() => decodeNpyNames(header('<U3', '(1, 2)', texts))).toThrow('expected names along one axis');
  expect(() => decodeNpyNames(header('|O', '(2,)', texts))).toThrow("elements of type '|O' are no names");
  expect(() => decodeNpyNames(header('<U1', '(1,)', new Uint8Array([255, 255, 255, 255])))).toThrow('is no character');
});
