import { createRng, fmix32, fnv1a32 } from '@unlabel/core';
import { describe, expect, test } from 'vitest';
import { NumpyArray, PickleObject, readTorchCheckpoint, TorchTensor } from './torch.ts';
import { damage, fixture, outcome } from './testing.ts';

const seed = 20240611;

/** The rule of the golden files that gives every parameter its values (float32 of a float64 formula). */
function ruleValue(key: string, shape: readonly number[], i: number, seed: number): number {
  const r = (fmix32((fnv1a32(key) ^ seed) + Math.imul(i, 0x9e3779b9)) / 2 ** 32) * 2 - 1;
  const leaf = key.split('.').at(-1)!;
  if (leaf === 'num_batches_tracked') return 0;
  if (leaf === 'running_var') return 1 + 0.5 * Math.abs(r);
  if (/^(weight_g|original0|grep_a|g|gamma.*)$/.test(leaf)) return 1 + 0.1 * r;
  if (leaf === 'b' || /token|pos_embed|mask_emb/.test(leaf)) return 0.1 * r;
  if (shape.length >= 2) return r * Math.sqrt(3 / shape.slice(1).reduce((a, b) => a * b, 1));
  return leaf.endsWith('weight') ? 1 + 0.1 * r : 0.1 * r;
}

describe.each(['beats-small.pt', 'beats-small-legacy.pt'])('%s', (file) => {
  test('holds the values of the rule bit for bit', () => {
    const { tensors, root } = readTorchCheckpoint(fixture(file), file);
    const first = new Map<unknown, string>(); // tied tensors take the values of the first name
    let checked = 0;
    for (const [path, tensor] of tensors) {
      const key = path.replace(/^model\./, '');
      const tied = /^encoder\.layers\.\d+\.self_attn\.relative_attention_bias\.weight$/.test(key)
        ? (first.get('bias') ?? (first.set('bias', key), key))
        : key;
      const want = Float32Array.from(tensor.data, (_, i) => ruleValue(tied, tensor.shape, i, seed));
      expect(tensor.data, key).toEqual(want);
      checked += tensor.data.length;
    }
    expect([tensors.size, checked]).toEqual([70, 74356]);
    expect((root as Map<string, Map<string, unknown>>).get('cfg')!.size).toBe(25);
  });
});

describe('element types and views', () => {
  const { tensors, root } = readTorchCheckpoint(fixture('torch-types.pt'), 'types.pt');
  test.each<[string, string, object, number[]]>([
    ['half', 'F16', Float32Array.of(0.0999755859375, -65504, 2 ** -24), [3]],
    ['bfloat16', 'BF16', Float32Array.of(1, -2.5, 3.140625), [3]],
    ['double', 'F64', Float64Array.of(Math.PI), [1]],
    ['long', 'I64', Int32Array.of(-1, 2147483647), [1, 2]],
    ['int', 'I32', Int32Array.of(5), [1]],
    ['short', 'I16', Int32Array.of(-300), [1]],
    ['char', 'I8', Int32Array.of(-3), [1]],
    ['byte', 'U8', Uint8Array.of(200), [1]],
    ['bool', 'BOOL', Uint8Array.of(1, 0), [2]],
    ['transposed', 'F32', Float32Array.of(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11), [4, 3]],
    ['slice', 'F32', Float32Array.of(1, 3, 5, 7, 9, 11), [3, 2]],
    ['expanded', 'F32', Float32Array.of(5, 5, 5, 5, 5, 5), [2, 3]],
    ['parameter', 'F32', Float32Array.from({ length: 12 }, (_, i) => i), [12]],
    ['scalar', 'F32', Float32Array.of(11), []],
  ])('%s', (name, dtype, data, shape) => {
    const tensor = tensors.get(`model.${name}`)!;
    expect([tensor.dtype, tensor.shape, tensor.data]).toEqual([dtype, shape, data]);
  });

  test('are refused only when their values are asked for', () => {
    expect(() => tensors.get('model.large')!.data).toThrow(/1099511627776, which does not fit 32 bits/);
    expect(() => tensors.get('model.complex')!.data).toThrow(/torch\.ComplexFloatStorage are not read/);
  });

  test('are found in lists too, beside plain values and opaque objects', () => {
    expect(tensors.get('list.0')!.data).toEqual(Float32Array.of(2));
    const map = root as Map<string, unknown>;
    expect(map.get('epoch')).toBe(3);
    expect(map.get('when')).toMatchObject({ global: 'fractions.Fraction' });
    expect(map.get('when')).toBeInstanceOf(PickleObject);
    expect(NumpyArray).toBeTypeOf('function');
  });
});

describe('a tensor', () => {
  const storage = { type: 'F32', typeName: 'torch.FloatStorage', length: 6, bytes: () => new Uint8Array(24) } as const;
  test.each<[string, unknown, unknown, unknown, RegExp]>([
    ['beyond its storage', 0, [7], [1], /leaves its storage of 6/],
    ['offset beyond its storage', 5, [2], [1], /leaves its storage/],
    ['of negative stride', 0, [2], [-1], /malformed shape, strides/],
    ['of negative offset', -1, [2], [1], /malformed/],
    ['of fractional shape', 0, [1.5], [1], /malformed/],
    ['of unequal ranks', 0, [2, 2], [1], /malformed/],
    ['repeated without bounds', 0, [1 << 15, 1 << 15], [0, 0], /repeats a storage of 6/],
    ['of overflowing size', 0, [2 ** 40, 2 ** 40], [0, 0], /too large/],
    ['of no list', 0, 'ab', [1], /malformed/],
  ])('%s is refused', (_, offset, shape, strides, message) => {
    expect(() => new TorchTensor(storage, offset, shape, strides, 'x')).toThrow(message);
  });
  test('of no elements may lie anywhere', () => {
    expect(new TorchTensor(storage, 6, [0, 3], [3, 1], 'x').data).toEqual(new Float32Array(0));
  });
});

test('says what it found instead of a checkpoint', () => {
  expect(() => readTorchCheckpoint(new Uint8Array(0), 'x.pt')).toThrow(
    /^x\.pt: expected a PyTorch checkpoint, found 0 bytes/,
  );
  expect(() => readTorchCheckpoint(fixture('plain.zip'), 'x.pt')).toThrow(/found another ZIP archive/);
  expect(() => readTorchCheckpoint(fixture('beats-small-legacy.pt').slice(0, 200_000))).toThrow(/cut short/);
  expect(() => readTorchCheckpoint(fixture('beats-small.pt').slice(0, 200_000))).toThrow(/no end record/);
});

test.each(['beats-small.pt', 'beats-small-legacy.pt', 'torch-types.pt'])(
  'every damaged copy of %s is read or refused with a DataError',
  async (file) => {
    const rng = createRng(7);
    const bytes = fixture(file);
    const counts = { read: 0, refused: 0 };
    for (let i = 0; i < 150; i++) {
      const copy = damage(bytes, rng.fork(i));
      const all = () => {
        for (const tensor of readTorchCheckpoint(copy).tensors.values()) void tensor.data;
      };
      counts[await outcome(all)]++;
    }
    expect(counts.refused).toBeGreaterThan(20);
  },
);
