/** The gradient of a convolution in its kernel against the literal sum in float64, whatever the CPU chooses in training. */
import type * as tfjs from '@tensorflow/tfjs-core';
import { createRng, type Tensor } from '@unlabel/core';
import { beforeAll, expect, test } from 'vitest';
import { tf, useEngine } from '../backend.ts';
import { runKernel } from '../ops/kernel.ts';
import { hasOwnFilterGradient } from './conv.ts';
import { findNative } from './load.ts';

interface Geometry {
  readonly x: readonly [number, number, number, number];
  readonly outputs: number;
  readonly size: readonly [number, number];
  readonly stride: number;
  readonly padding: number;
}

const outputOf = ({ x, size, stride, padding }: Geometry): [number, number] => [
  Math.floor((x[1] + 2 * padding - size[0]) / stride) + 1,
  Math.floor((x[2] + 2 * padding - size[1]) / stride) + 1,
];

function literal(g: Geometry, x: Float32Array, dy: Float32Array): Float64Array {
  const [images, height, width, inputs] = g.x;
  const [rows, columns] = outputOf(g);
  const sums = new Float64Array(g.size[0] * g.size[1] * inputs * g.outputs);
  for (let at = 0; at < images * rows * columns; at++) {
    const [image, row, column] = [Math.floor(at / rows / columns), Math.floor(at / columns) % rows, at % columns];
    for (let tap = 0; tap < g.size[0] * g.size[1]; tap++) {
      const h = row * g.stride - g.padding + Math.floor(tap / g.size[1]);
      const w = column * g.stride - g.padding + (tap % g.size[1]);
      if (h < 0 || w < 0 || h >= height || w >= width) continue;
      const from = ((image * height + h) * width + w) * inputs;
      for (let i = 0; i < inputs; i++) {
        const [a, to] = [x[from + i]!, (tap * inputs + i) * g.outputs];
        for (let o = 0; o < g.outputs; o++) sums[to + o]! += a * dy[at * g.outputs + o]!;
      }
    }
  }
  return sums;
}

const tensor = (shape: readonly number[], label: string): Tensor => {
  const rng = createRng(3).fork(label);
  return tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => rng.normal()),
    [...shape],
  );
};

const cases: Readonly<Record<string, Geometry>> = {
  '1×1': { x: [3, 5, 17, 13], outputs: 35, size: [1, 1], stride: 1, padding: 0 },
  '1×1 of several parts': { x: [2, 9, 7, 131], outputs: 261, size: [1, 1], stride: 1, padding: 0 },
  '1×1 with stride 2': { x: [2, 7, 6, 9], outputs: 16, size: [1, 1], stride: 2, padding: 0 },
  '3×3': { x: [3, 6, 7, 8], outputs: 17, size: [3, 3], stride: 1, padding: 1 },
  '3×3 of many images in a block': { x: [23, 3, 3, 6], outputs: 5, size: [3, 3], stride: 1, padding: 1 },
  '3×3 with stride 2': { x: [2, 9, 6, 14], outputs: 24, size: [3, 3], stride: 2, padding: 1 },
  '7×7 of an image, stride 2': { x: [2, 15, 18, 3], outputs: 10, size: [7, 7], stride: 2, padding: 3 },
  '3×3 of wide spectrograms': { x: [1, 4, 501, 1], outputs: 16, size: [3, 3], stride: 1, padding: 1 },
  '2×5 without a border, stride 3': { x: [2, 8, 12, 5], outputs: 3, size: [2, 5], stride: 3, padding: 0 },
};

test('is chosen by the instructions a CPU has, and of one tap with a stride on any', () => {
  const cpu = (flags: string) => `processor\t: 0\nflags\t\t: fpu ${flags}\n`;
  const taps = (size: number, stride: number, other = stride) => ({
    filterHeight: size,
    filterWidth: size,
    strideHeight: stride,
    strideWidth: other,
  });
  expect(hasOwnFilterGradient(taps(3, 2), cpu('avx2 fma'))).toBe(true);
  for (const slower of [cpu('avx2 fma avx512f'), cpu('avx'), '', undefined]) {
    for (const others of [taps(3, 1), taps(3, 2), taps(1, 1)]) expect(hasOwnFilterGradient(others, slower)).toBe(false);
    expect(hasOwnFilterGradient(taps(1, 2), slower)).toBe(true);
    expect(hasOwnFilterGradient(taps(1, 2, 1), slower)).toBe(false);
  }
});

if (findNative('cpu')) {
  beforeAll(() => useEngine({ engine: 'tensorflow', threads: 2 }));

  test.each(Object.entries(cases))('%s', (_name, g) => {
    const x = tensor(g.x, 'x');
    const dy = tensor([g.x[0], ...outputOf(g), g.outputs], 'dy');
    const [height, width] = g.size;
    const attrs = { height, width, stride: g.stride, top: g.padding, left: g.padding };
    const found = runKernel('ConvFilterGrad', { x, dy }, attrs)[0]!;
    expect(found.shape).toEqual([...g.size, g.x[3], g.outputs]);
    const expected = literal(g, x.dataSync() as Float32Array, dy.dataSync() as Float32Array);
    const values = found.dataSync();
    const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - values[i]!)), 0);
    // sums of up to 2004 products of order 1, in float32: their rounding grows like √n·2⁻²⁴·√n
    expect(worst).toBeLessThan(1e-4);
  });

  test('a convolution of one tap with stride 2 learns by it, same bytes', () => {
    const g = cases['1×1 with stride 2']!;
    const x = tensor(g.x, 'x') as tfjs.Tensor4D;
    const dy = tensor([g.x[0], ...outputOf(g), g.outputs], 'dy');
    const kernel = tf.zeros([1, 1, g.x[3], g.outputs]);
    const loss = (k: tfjs.Tensor): tfjs.Tensor => tf.sum(tf.mul(tf.conv2d(x, k as tfjs.Tensor4D, 2, 'valid'), dy));
    const [own] = runKernel('ConvFilterGrad', { x, dy }, { height: 1, width: 1, stride: 2, top: 0, left: 0 });
    expect(tf.grad(loss)(kernel).dataSync()).toEqual(own!.dataSync());
  });
}
