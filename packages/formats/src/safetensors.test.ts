import { createRng } from '@unlabel/core';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeFileAtomic } from './files.ts';
import { encodeSafetensors, encodeSafetensorsParts, openSafetensors, parseSafetensors } from './safetensors.ts';
import { damage, fixture, fixturePath, outcome } from './testing.ts';

const python = fixture('python.safetensors');

describe('a file that the Python library wrote', () => {
  const file = parseSafetensors(python);
  test.each<[string, object, number[]]>([
    ['f64', Float64Array.of(1.5, -2.25e-300, Math.PI, 1e300), [2, 2]],
    ['f32', Float32Array.of(1.1, -0, 3.4e38), [3]],
    ['f16', Float32Array.of(0.0999755859375, -65504, 1 / 2 ** 24, 1), [4]],
    ['i64', Int32Array.of(-2147483648, 2147483647, 0, -1), [4]],
    ['i32', Int32Array.of(1, -2, 3), [1, 3]],
    ['u8', Uint8Array.of(0, 1, 2, 3, 4), [5]],
    ['bool', Uint8Array.of(1, 0, 1), [3]],
    ['scalar', Float32Array.of(7), []],
    ['empty', new Float32Array(0), [0, 3]],
  ])('gives %s', async (name, data, shape) => {
    expect(file.read(name)).toEqual({ data, shape });
    const lazy = await openSafetensors(fixturePath('python.safetensors'));
    expect(await lazy.read(name)).toEqual({ data, shape });
    await lazy.close();
  });

  test('gives names, metadata and infos, and says what it has when a name is wrong', () => {
    expect(file.metadata).toEqual({ format: 'np', note: 'grüße' });
    expect(file.info('f16')).toMatchObject({ dtype: 'F16', shape: [4], bytes: 8 });
    expect(() => file.read('nothing')).toThrow(/it has no tensor "nothing"\. It has 9: /);
    expect(() => file.info('toString')).toThrow(/no tensor/);
    expect(file.readFloat32('f64').data).toEqual(Float32Array.of(1.5, -0, Math.PI, Infinity));
    expect(() => file.readFloat32('i64')).toThrow(/expected floats, found I32/);
  });

  test('is written back to the same bytes', () => {
    const dtype = { F16: 'F16', I64: 'I64', BOOL: 'BOOL' } as const;
    const tensors = Object.fromEntries(
      file.names.map((name) => {
        const stored = file.info(name).dtype;
        const as = stored in dtype ? { dtype: stored } : {};
        return [name, { ...file.read(name), ...as }];
      }),
    );
    expect(Buffer.from(encodeSafetensors(tensors, file.metadata)).toString('latin1')).toBe(
      Buffer.from(python).toString('latin1'),
    );
  });
});

describe('writing', () => {
  test('comes back from memory and disk, aligned, in an order that does not depend on the input', async () => {
    const a = { data: Float32Array.of(1, 2, NaN), shape: [3] };
    const b = { data: Uint8Array.of(9), shape: [1, 1] };
    const bytes = encodeSafetensors({ b, a, __proto: a }, { k: 'v' });
    expect(bytes).toEqual(encodeSafetensors({ __proto: a, a, b }, { k: 'v' }));
    const file = parseSafetensors(bytes);
    expect(file.read('a')).toEqual(a);
    for (const name of file.names)
      expect(file.info(name).offset % 8 === 0 || file.info(name).dtype !== 'F64').toBe(true);
    expect(file.info('__proto').offset % 8).toBe(0);
    const dir = await mkdtemp(join(tmpdir(), 'formats-'));
    await writeFileAtomic(join(dir, 'x.safetensors'), encodeSafetensorsParts({ a, b }));
    const lazy = await openSafetensors(join(dir, 'x.safetensors'));
    expect([await lazy.read('b'), lazy.metadata]).toEqual([b, {}]);
    await lazy.close();
    await rm(dir, { recursive: true });
  });

  test('rounds to half floats and bfloat16 to nearest, ties to even', () => {
    const x = Float32Array.of(
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      65519,
      65520,
      2 ** -25,
      1.5 * 2 ** -25,
      -0,
      NaN,
      -Infinity,
      1 + 2 ** -8,
      1 + 3 * 2 ** -8,
    );
    const back = (dtype: 'F16' | 'BF16') => [
      ...parseSafetensors(encodeSafetensors({ x: { data: x, shape: [11], dtype } })).read('x').data,
    ];
    expect(back('F16')).toEqual([
      1,
      1 + 2 ** -9,
      65504,
      Infinity,
      0,
      2 ** -24,
      -0,
      NaN,
      -Infinity,
      1 + 2 ** -8,
      1 + 3 * 2 ** -8,
    ]);
    expect(back('BF16').slice(6)).toEqual([-0, NaN, -Infinity, 1, 1 + 2 ** -6]);
  });

  test('refuses what cannot be stored', () => {
    const data = Float32Array.of(1);
    expect(() => encodeSafetensors({ x: { data, shape: [2] } })).toThrow(/tensor "x": shape \[2\]/);
    expect(() => encodeSafetensors({ x: { data, shape: [1], dtype: 'I64' } })).toThrow(
      /Float32Array cannot be stored as I64/,
    );
    expect(() => encodeSafetensors({ x: { data: Uint8Array.of(2), shape: [1], dtype: 'BOOL' } })).toThrow(/as BOOL/);
    expect(() => encodeSafetensors({ __metadata__: { data, shape: [1] } })).toThrow(/__metadata__/);
  });
});

/** A file with this header text and `data` bytes behind it. */
function withHeader(header: string, data: number): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 8);
  return bytes;
}
const entry = (name: string, from: number, to: number, shape = [(to - from) / 4]): string =>
  `"${name}":{"dtype":"F32","shape":[${shape.join(',')}],"data_offsets":[${from},${to}]}`;

test.each<[string, string, number, RegExp]>([
  ['given twice', `{${entry('a', 0, 4)},${entry('a', 0, 4)}}`, 4, /"a" stands in the header twice/],
  [
    'given twice in other letters',
    `{${entry('a', 0, 4)},${entry('\\u0061', 0, 4)}}`,
    4,
    /"a" stands in the header twice/,
  ],
  ['overlapping', `{${entry('a', 0, 8)},${entry('b', 4, 12)}}`, 12, /"b" overlaps/],
  ['with a hole', `{${entry('a', 0, 4)},${entry('b', 8, 12)}}`, 12, /"b" leaves 4 unused bytes/],
  ['before unused bytes', `{${entry('a', 0, 4)}}`, 12, /8 bytes after the last tensor/],
  ['beyond the file', `{${entry('a', 0, 40)}}`, 4, /do not lie within the 4 bytes/],
  ['with offsets backwards', `{${entry('a', 4, 0, [1])}}`, 4, /do not lie within/],
  ['of another size', `{${entry('a', 0, 4, [2])}}`, 4, /takes 8 bytes, its offsets span 4/],
  ['of overflowing shape', `{${entry('a', 0, 4, [4294967296, 4294967296])}}`, 4, /too large/],
  ['of negative shape', `{${entry('a', 0, 4, [-1, -1])}}`, 4, /expected a shape of integers/],
  ['of unknown type', `{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}`, 4, /"F8_E4M3" is not read/],
  ['of inherited type', `{"a":{"dtype":"toString","shape":[4],"data_offsets":[0,4]}}`, 4, /"toString" is not read/],
  ['with more fields', `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}`, 4, /unknown field "x"/],
  ['that are null', `{"a":null}`, 0, /expected an object/],
  ['in no JSON', `{"a"}`, 0, /not JSON/],
  ['in deeply nested JSON', `{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, 0, /nested more than 3 deep/],
  ['behind spaces', ` {${entry('a', 0, 4)}}`, 4, /starting with \{/],
  ['with metadata that are no strings', `{"__metadata__":{"k":1}}`, 0, /__metadata__ must map names to strings/],
])('refuses tensors %s', (_, header, data, message) => {
  expect(() => parseSafetensors(withHeader(header, data), 'x')).toThrow(message);
});

test('refuses huge and cut headers before reading them', () => {
  const huge = new Uint8Array(100);
  huge.fill(255, 0, 8);
  expect(() => parseSafetensors(huge)).toThrow(/header states/);
  expect(() => parseSafetensors(python.slice(0, 50))).toThrow(/the file has 42 after it/);
  expect(() => parseSafetensors(new Uint8Array(3))).toThrow(/found 3 bytes/);
});

test('keeps names such as __proto__ harmless', () => {
  const file = parseSafetensors(withHeader(`{${entry('__proto__', 0, 4)}}`, 4));
  expect(file.names).toEqual(['__proto__']);
  expect(file.read('__proto__').shape).toEqual([1]);
});

test('every damaged file is read or refused with a DataError', async () => {
  const rng = createRng(4);
  const counts = { read: 0, refused: 0 };
  for (let i = 0; i < 3000; i++) {
    const bytes = damage(python, rng.fork(i));
    const all = () => {
      const file = parseSafetensors(bytes);
      for (const name of file.names) file.read(name);
    };
    counts[await outcome(all)]++;
  }
  expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(100);
});
