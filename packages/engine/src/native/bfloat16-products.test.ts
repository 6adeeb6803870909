/** Products in bfloat16 against operands rounded to it and multiplied in float64, on CPUs that have the instructions. */
import { execFileSync } from 'node:child_process';
import { createRng, type Tensor } from '@unlabel/core';
import { beforeAll, describe, expect, test } from 'vitest';
import { tf, useEngine } from '../backend.ts';
import { attention, dense } from '../ops/index.ts';
import { composed } from '../ops/kernel.ts';
import { expectAllClose, expectNoLeak } from '../testing.ts';
import { bfloat16Bound, bfloat16Reason, rounded } from './bfloat16.test-suite.ts';
import { bfloat16Product } from './bfloat16.ts';
import type { NodeBackend } from './kernels.ts';

const reason = bfloat16Reason;
if (reason !== undefined)
  test(`products in bfloat16 are not tested here: ${reason}`, () => expect(reason).toContain('bf16'));

interface Case {
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/** The product of rounded operands and Σ|a·b| of each element, in float64; batches broadcast as NumPy's. */
function literal({ a, b, transposeA, transposeB }: Case, x: Float32Array, y: Float32Array) {
  const [m, k] = transposeA ? [a.at(-1)!, a.at(-2)!] : [a.at(-2)!, a.at(-1)!];
  const n = transposeB ? b.at(-2)! : b.at(-1)!;
  const rank = Math.max(a.length, b.length) - 2;
  const axes = (shape: readonly number[]) => [
    ...Array<number>(rank - (shape.length - 2)).fill(1),
    ...shape.slice(0, -2),
  ];
  const [left, right] = [axes(a), axes(b)];
  const batch = left.map((length, i) => (length === 1 ? right[i]! : length));
  const count = batch.reduce((p, q) => p * q, 1);
  const [sums, sizes] = [new Float64Array(count * m * n), new Float64Array(count * m * n)];
  const [p, q] = [rounded(x), rounded(y)];
  for (let at = 0; at < count; at++) {
    const [from, to] = [left, right].map((lengths) => {
      let [rest, step, offset] = [at, 1, 0];
      for (let axis = rank - 1; axis >= 0; axis--) {
        if (lengths[axis] !== 1) offset += (rest % batch[axis]!) * step;
        rest = Math.floor(rest / batch[axis]!);
        step *= lengths[axis]!;
      }
      return offset;
    }) as [number, number];
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++)
        for (let l = 0; l < k; l++) {
          const u = p[from * m * k + (transposeA ? l * m + i : i * k + l)]!;
          const v = q[to * k * n + (transposeB ? j * k + l : l * n + j)]!;
          sums[(at * m + i) * n + j]! += u * v;
          sizes[(at * m + i) * n + j]! += Math.abs(u * v);
        }
  }
  return { sums, sizes, shape: [...batch, m, n] };
}

const values = (shape: readonly number[], label: string): Float32Array => {
  const rng = createRng(5).fork(label);
  return Float32Array.from({ length: shape.reduce((p, q) => p * q, 1) }, () => rng.normal());
};

const tensor = (shape: readonly number[], label: string): Tensor => tf.tensor(values(shape, label), [...shape]);

/** Straight to our kernel: `tf.matMul` leaves small products to TensorFlow. */
const product = (call: Case, a: Tensor, b: Tensor, finish: Parameters<typeof bfloat16Product>[3] = {}): Tensor =>
  bfloat16Product(
    tf,
    tf.backend() as unknown as NodeBackend,
    { a, b, transposeA: call.transposeA === true, transposeB: call.transposeB === true },
    finish,
  );

function expectProduct(found: Tensor, { sums, sizes, shape }: ReturnType<typeof literal>): void {
  expect(found.shape).toEqual(shape);
  const data = found.dataSync<'float32'>();
  let worst = 0;
  sums.forEach((sum, i) => (worst = Math.max(worst, Math.abs(data[i]! - sum) / (sizes[i]! || 1))));
  expect(worst).toBeLessThan(bfloat16Bound);
}

const cases: Readonly<Record<string, Case>> = {
  'whole tiles': { a: [24, 64], b: [64, 64] },
  'no whole tile': { a: [7, 5], b: [5, 3] },
  'odd extents': { a: [31, 129], b: [129, 47] },
  'one number': { a: [1, 1], b: [1, 1] },
  'one row': { a: [1, 700], b: [700, 33] },
  'one column': { a: [101, 70], b: [70, 1] },
  'a sum longer than a panel’s depth': { a: [19, 2311], b: [2311, 37] },
  'more rows than a unit of work': { a: [301, 40], b: [40, 20] },
  'more columns than are packed together': { a: [13, 21], b: [21, 1111] },
  'left transposed': { a: [45, 29], b: [45, 50], transposeA: true },
  'right transposed': { a: [29, 45], b: [50, 45], transposeB: true },
  'both transposed': { a: [33, 18], b: [17, 33], transposeA: true, transposeB: true },
  'both transposed, long': { a: [1100, 100], b: [70, 1100], transposeA: true, transposeB: true },
  'a batch': { a: [3, 2, 17, 20], b: [3, 2, 20, 18] },
  'a batch that shares its right operand': { a: [5, 17, 20], b: [20, 35], transposeB: false },
  'a batch that shares its left operand': { a: [1, 17, 20], b: [4, 35, 20], transposeB: true },
  'batches of one on either side': { a: [3, 1, 18, 9], b: [1, 4, 9, 20] },
  'more axes on the right': { a: [2, 18, 9], b: [3, 2, 9, 20] },
};

describe.skipIf(reason !== undefined)('products in bfloat16', () => {
  beforeAll(() => useEngine({ engine: 'tensorflow', precision: 'bf16' }));

  for (const [name, call] of Object.entries(cases))
    test(`of ${name} are sums of rounded operands`, () => {
      tf.tidy(() => {
        const found = product(call, tensor(call.a, 'a'), tensor(call.b, 'b'));
        expectProduct(found, literal(call, values(call.a, 'a'), values(call.b, 'b')));
      });
    });

  test('add a bias and end in a ReLU', () => {
    tf.tidy(() => {
      const call = { a: [29, 1200], b: [1200, 45] };
      const bias = tensor([45], 'bias');
      const plain = product(call, tensor(call.a, 'a'), tensor(call.b, 'b'));
      const found = product(call, tensor(call.a, 'a'), tensor(call.b, 'b'), { bias, relu: true });
      // a sum in two parts takes the bias with the second: another order
      expectAllClose(found, tf.relu(tf.add(plain, bias)), { atol: 2e-5, rtol: 1e-6 });
    });
  });

  test('of no rows, columns or batch are empty, and without a sum zero or the bias', () => {
    tf.tidy(() => {
      expect(product({ a: [0, 4], b: [4, 5] }, tf.zeros([0, 4]), tf.zeros([4, 5])).shape).toEqual([0, 5]);
      expect(product({ a: [3, 4], b: [4, 0] }, tf.zeros([3, 4]), tf.zeros([4, 0])).shape).toEqual([3, 0]);
      expect(product({ a: [0, 3, 4], b: [4, 2] }, tf.zeros([0, 3, 4]), tf.zeros([4, 2])).shape).toEqual([0, 3, 2]);
      expect([...product({ a: [2, 0], b: [0, 3] }, tf.zeros([2, 0]), tf.zeros([0, 3])).dataSync()]).toEqual(
        Array(6).fill(0),
      );
      const bias = tf.tensor1d([1, 2, 3]);
      const biased = product({ a: [2, 0], b: [0, 3] }, tf.zeros([2, 0]), tf.zeros([0, 3]), { bias });
      expect([...biased.dataSync()]).toEqual([1, 2, 3, 1, 2, 3]);
    });
  });

  test('carry NaN and infinities where they belong, and nowhere else', () => {
    const call = { a: [20, 35], b: [35, 40] };
    const [x, y] = [values(call.a, 'a'), values(call.b, 'b')];
    x[3 * 35 + 34] = NaN; // the last of an odd sum
    x[5 * 35 + 2] = Infinity;
    x[7 * 35] = 3.4e38; // beyond the largest bfloat16 by rounding
    y[4 * 40 + 39] = -Infinity;
    y[2 * 40 + 1] = 0; // times infinity
    const { sums } = literal(call, x, y);
    const found = tf.tidy(() => product(call, tf.tensor(x, call.a), tf.tensor(y, call.b)).dataSync<'float32'>());
    expect(sums.filter((sum) => !Number.isFinite(sum)).length).toBeGreaterThan(80);
    sums.forEach((sum, i) => {
      if (!Number.isFinite(sum)) expect(found[i]).toBe(sum);
      else expect(Number.isFinite(found[i])).toBe(true);
    });
  });

  test('refuse operands that do not fit, with the reason', () => {
    const [a, b] = [tf.zeros([3, 4]), tf.zeros([5, 6])];
    expect(() => product({ a: [], b: [] }, a, b)).toThrow('inner axes differ');
    expect(() => product({ a: [], b: [] }, tf.zeros([2, 3, 4]), tf.zeros([3, 4, 6]))).toThrow('batches equal or one');
  });

  test('are what tf.matMul and dense compute, gradients too', () => {
    tf.tidy(() => {
      const [x, w] = [tensor([40, 70], 'x'), tensor([50, 70], 'w')];
      const call = { a: [40, 70], b: [50, 70], transposeB: true };
      const expected = literal(call, values(call.a, 'x'), values(call.b, 'w'));
      expectProduct(tf.matMul(x as never, w as never, false, true), expected);
      expectProduct(dense(x, w, undefined, { transposeKernel: true }), expected);
      const probe = tensor([40, 50], 'probe');
      const [dx, dw] = tf.grads((p: Tensor, q: Tensor) =>
        tf.sum(tf.mul(probe, dense(p, q, undefined, { transposeKernel: true }))),
      )([x, w]) as [Tensor, Tensor];
      expectProduct(dx, literal({ a: [40, 50], b: [50, 70] }, values([40, 50], 'probe'), values([50, 70], 'w')));
      const ofWeights = { a: [40, 50], b: [40, 70], transposeA: true };
      expectProduct(dw, literal(ofWeights, values([40, 50], 'probe'), values([40, 70], 'x')));
    });
  });

  test('are left to float32 where an extent is below sixteen', () => {
    tf.tidy(() => {
      const x = tf.fill([64, 64], 1 + 2 ** -9);
      const sum = (shape: [number, number]) => tf.matMul(tf.slice(x, [0, 0], shape), x as never).dataSync()[0];
      expect(sum([16, 64])).toBe(64);
      expect(sum([15, 64])).toBeCloseTo(64 * (1 + 2 ** -9) ** 2, 4);
    });
  });

  test('inside attention change its numbers within their rounding, and its gradients', () => {
    // of a head 64 wide over 50 keys: the operands' 2⁻⁹ on sums of a hundred terms of order one
    const inputs = ['q', 'k', 'v'].map((label) => tensor([2, 50, 128], label)) as [Tensor, Tensor, Tensor];
    const bias = tensor([2, 50, 50], 'bias');
    const probe = tensor([2, 50, 128], 'probe');
    const run = (q: Tensor, k: Tensor, v: Tensor) =>
      tf.sum(tf.mul(probe, attention({ q, k, v }, { heads: 2, bias, dropout: { rate: 0.2, seed: 3 } })));
    const all = () => tf.tidy(() => [run(...inputs), ...tf.grads(run)(inputs)].map((x) => x.dataSync<'float32'>()));
    const found = all();
    void tf.setBackend('cpu');
    const expected = composed(all);
    void tf.setBackend('tensorflow');
    found.slice(1).forEach((grad, i) => {
      const exact = expected[i + 1]!;
      const length = Math.hypot(...exact);
      const error = Math.hypot(...grad.map((value, at) => value - exact[at]!)) / length;
      expect(error).toBeGreaterThan(2 ** -12);
      expect(error).toBeLessThan(2 ** -6);
    });
  });

  test('leave no tensors behind', async () => {
    const [x, w, b] = [tensor([32, 32], 'x'), tensor([32, 32], 'w'), tensor([32], 'b')];
    await expectNoLeak(() => tf.dispose([dense(x, w, b, { relu: true }), tf.matMul(x as never, w as never)]));
  });

  test('are the same bytes on one thread and on two', () => {
    const program = `
      const { tf, useEngine, attention } = await import('@unlabel/engine');
      const { createHash } = await import('node:crypto');
      await useEngine({ engine: 'tensorflow', precision: 'bf16', threads: Number(process.argv[1]) });
      const noise = (shape, seed) => tf.randomNormal(shape, 0, 1, 'float32', seed);
      const x = noise([4, 150, 256], 1), w = noise([256, 700], 2);
      const { value, grads } = tf.valueAndGrads((p, q) => {
        const h = tf.matMul(tf.reshape(p, [600, 256]), q);
        return tf.sum(tf.add(tf.sum(tf.square(h)), tf.sum(attention({ q: p, k: p, v: p }, { heads: 4 }))));
      })([x, w]);
      const hash = createHash('sha256');
      for (const y of [tf.matMul(x, w), value, ...grads]) hash.update(new Uint8Array(y.dataSync().buffer));
      process.stdout.write(hash.digest('hex'));`;
    const [one, two] = ['1', '2'].map((threads) =>
      execFileSync(
        process.execPath,
        ['--conditions=@unlabel/source', '--input-type=module', '--eval', program, threads],
        { cwd: new URL('..', import.meta.url).pathname, encoding: 'utf8', timeout: 60_000 },
      ),
    );
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(two).toBe(one);
  });
});
