/** Convolutions in bfloat16 against operands rounded to it and summed in float64, on CPUs that have the instructions. */
import { createRng, type Tensor } from '@unlabel/core';
import { beforeAll, describe, expect, test } from 'vitest';
import { tf, useEngine } from '../backend.ts';
import { convBias, zerosAround } from '../ops/index.ts';
import { bfloat16Bound, bfloat16Reason, rounded } from './bfloat16.test-suite.ts';

if (bfloat16Reason !== undefined)
  test(`convolutions in bfloat16 are not tested here: ${bfloat16Reason}`, () =>
    expect(bfloat16Reason).toContain('bf16'));

type Tensor4D = ReturnType<typeof tf.tensor4d>;

interface Case {
  /** [N, H, W, I] */
  readonly x: readonly [number, number, number, number];
  /** [KH, KW, I, O] */
  readonly kernel: readonly [number, number, number, number];
  readonly stride?: number;
  readonly pad?: number | 'same' | 'valid';
}

const cases: Readonly<Record<string, Case>> = {
  '3×3 with a border': { x: [2, 9, 7, 16], kernel: [3, 3, 16, 20], pad: 1 },
  '3×3, strided, the same size': { x: [2, 9, 8, 5], kernel: [3, 3, 5, 33], stride: 2, pad: 'same' },
  '7×7 of three channels, strided': { x: [2, 21, 18, 3], kernel: [7, 7, 3, 64], stride: 2, pad: 3 },
  '3×3 without a border, more outputs than a unit': { x: [3, 20, 19, 8], kernel: [3, 3, 8, 100] },
  'a row of many taps': { x: [2, 1, 150, 48], kernel: [1, 128, 48, 48] },
  'as wide as the image': { x: [3, 40, 6, 4], kernel: [16, 6, 4, 17] },
  'patches beside each other': { x: [2, 48, 64, 1], kernel: [16, 16, 1, 24], stride: 16 },
  'a border wider than the image': { x: [1, 3, 4, 16], kernel: [5, 5, 16, 16], pad: 4 },
  '1×1': { x: [2, 5, 6, 18], kernel: [1, 1, 18, 33] },
  '1×1, strided': { x: [2, 9, 8, 18], kernel: [1, 1, 18, 33], stride: 2 },
};

const values = (shape: readonly number[], label: string): Float32Array => {
  const rng = createRng(6).fork(label);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => rng.normal());
};

const infoOf = ({ x, kernel, stride = 1, pad = 'valid' }: Case) =>
  tf.backend_util.computeConv2DInfo([...x], [...kernel], stride, 1, pad);

/** Calls `term` with the flat indices in x, kernel and output of each product. */
function eachTerm(call: Case, term: (x: number, kernel: number, y: number) => void): void {
  const { x, kernel, stride = 1 } = call;
  const [images, height, width, inputs] = x;
  const [kernelHeight, kernelWidth, , outputs] = kernel;
  const { outHeight, outWidth, padInfo } = infoOf(call);
  for (let at = 0; at < images * outHeight * outWidth; at++) {
    const [image, row, column] = [Math.floor(at / outHeight / outWidth), Math.floor(at / outWidth) % outHeight, at % outWidth]; // prettier-ignore
    for (let tap = 0; tap < kernelHeight * kernelWidth; tap++) {
      const h = row * stride - padInfo.top + Math.floor(tap / kernelWidth);
      const w = column * stride - padInfo.left + (tap % kernelWidth);
      if (h < 0 || w < 0 || h >= height || w >= width) continue;
      for (let i = 0; i < inputs; i++)
        for (let o = 0; o < outputs; o++)
          term(((image * height + h) * width + w) * inputs + i, (tap * inputs + i) * outputs + o, at * outputs + o);
    }
  }
}

const run = (call: Case) => (x: Tensor, kernel: Tensor) =>
  tf.conv2d(
    x as Tensor4D,
    kernel as Tensor4D,
    call.stride ?? 1,
    typeof call.pad === 'number' ? zerosAround(call.pad) : (call.pad ?? 'valid'),
  );

/** Largest difference of two arrays, beside `sizes`. */
const worst = (found: Tensor, sums: Float64Array, sizes: Float64Array): number => {
  const data = found.dataSync<'float32'>();
  expect(data.length).toBe(sums.length);
  return sums.reduce((most, sum, i) => Math.max(most, Math.abs(data[i]! - sum) / (sizes[i]! || 1)), 0);
};

describe.skipIf(bfloat16Reason !== undefined)('convolutions in bfloat16', () => {
  beforeAll(() => useEngine({ engine: 'tensorflow', precision: 'bf16' }));

  test.each(Object.keys(cases))('of %s are sums of rounded operands', (name) => {
    const call = cases[name]!;
    const [x, kernel] = [rounded(values(call.x, 'x')), rounded(values(call.kernel, 'kernel'))];
    const { outShape } = infoOf(call);
    const size = outShape.reduce((a, b) => a * b);
    const [sums, sizes] = [new Float64Array(size), new Float64Array(size)];
    eachTerm(call, (i, k, y) => {
      sums[y]! += x[i]! * kernel[k]!;
      sizes[y]! += Math.abs(x[i]! * kernel[k]!);
    });
    tf.tidy(() => {
      const found = run(call)(
        tf.tensor(values(call.x, 'x'), [...call.x]),
        tf.tensor(values(call.kernel, 'kernel'), [...call.kernel]),
      );
      expect(found.shape).toEqual(outShape);
      expect(worst(found, sums, sizes)).toBeLessThan(bfloat16Bound);
    });
  });

  test.each(Object.keys(cases))('of %s have gradients: rounded for products, float32 for others', (name) => {
    const call = cases[name]!;
    const isProduct = call.kernel[0] * call.kernel[1] * (call.stride ?? 1) === 1;
    const [x, kernel] = [values(call.x, 'x'), values(call.kernel, 'kernel')];
    const { outShape } = infoOf(call);
    const probe = values(outShape, 'probe');
    const [p, q, dy] = isProduct ? [rounded(x), rounded(kernel), rounded(probe)] : [x, kernel, probe];
    const [dx, dxSizes] = [new Float64Array(x.length), new Float64Array(x.length)];
    const [dk, dkSizes] = [new Float64Array(kernel.length), new Float64Array(kernel.length)];
    eachTerm(call, (i, k, y) => {
      dx[i]! += q[k]! * dy[y]!;
      dxSizes[i]! += Math.abs(q[k]! * dy[y]!);
      dk[k]! += p[i]! * dy[y]!;
      dkSizes[k]! += Math.abs(p[i]! * dy[y]!);
    });
    tf.tidy(() => {
      const weighted = (a: Tensor, b: Tensor) => tf.sum(tf.mul(run(call)(a, b), tf.tensor(probe, outShape)));
      const inputs = [tf.tensor(x, [...call.x]), tf.tensor(kernel, [...call.kernel])];
      const [foundX, foundKernel] = tf.grads(weighted)(inputs) as [Tensor, Tensor];
      expect(worst(foundX, dx, dxSizes)).toBeLessThan(bfloat16Bound);
      expect(worst(foundKernel, dk, dkSizes)).toBeLessThan(bfloat16Bound);
    });
  });

  test('are what a convolution with bias computes in evaluation', () => {
    tf.tidy(() => {
      const [x, kernel] = [tf.fill([1, 8, 8, 16], 1 + 2 ** -9), tf.fill([1, 1, 16, 16], 1)];
      const y = convBias(x, kernel, tf.fill([16], 2 ** -9));
      expect(y.dataSync()[0]).toBe(16 + 2 ** -9);
    });
  });

  test('are left to float32 where an extent is below sixteen, or pixels are skipped', () => {
    tf.tidy(() => {
      const sum = (x: [number, number, number, number], outputs: number, dilation = 1) =>
        tf
          .conv2d(
            tf.fill(x, 1 + 2 ** -9) as Tensor4D,
            tf.fill([2, 2, x[3], outputs], 1) as Tensor4D,
            1,
            'valid',
            'NHWC',
            dilation,
          ) // prettier-ignore
          .dataSync()[0];
      expect(sum([1, 5, 5, 4], 16)).toBe(16);
      expect(sum([1, 5, 5, 3], 16)).toBeCloseTo(12 * (1 + 2 ** -9), 5);
      expect(sum([1, 5, 5, 4], 15)).toBeCloseTo(16 * (1 + 2 ** -9), 5);
      expect(sum([1, 9, 9, 4], 16, 2)).toBeCloseTo(16 * (1 + 2 ** -9), 5);
    });
  });
});
