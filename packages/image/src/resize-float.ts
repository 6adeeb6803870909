/**
 * Resizing float images as torch's `interpolate(align_corners=False)`, which torchvision uses for tensors: antialiased (Pillow's
 * weights without their fixed point), or plain, whose bicubic has a = −0.75 and which skips pixels when it reduces.
 */
import type { NdArray } from '@unlabel/core';
import { antialiasedWeights, filters, keys, type Weights } from './resize.ts';

export interface FloatResizeOptions {
  readonly interpolation: 'bilinear' | 'bicubic';
  /** Default true. */
  readonly isAntialiased?: boolean;
}

/** [C, H, W] → [C, height, width] */
export function resizeFloat(x: NdArray, width: number, height: number, options: FloatResizeOptions): NdArray {
  const { interpolation, isAntialiased = true } = options;
  const [channels = 1, rows = 1, columns = 1] = x.shape;
  const weights = (inputs: number, outputs: number): Weights =>
    isAntialiased
      ? antialiasedWeights(inputs, outputs, filters[interpolation])
      : plainWeights(inputs, outputs, interpolation);
  const wide = new Float32Array(channels * rows * width);
  apply(weights(columns, width), (o, t, w) => {
    for (let line = 0; line < channels * rows; line++) wide[line * width + o]! += w * x.data[line * columns + t]!;
  });
  const data = new Float32Array(channels * height * width);
  apply(weights(rows, height), (o, t, w) => {
    for (let c = 0; c < channels; c++) {
      const [to, from] = [(c * height + o) * width, (c * rows + t) * width];
      for (let i = 0; i < width; i++) data[to + i]! += w * wide[from + i]!;
    }
  });
  return { data, shape: [channels, height, width] };
}

function apply({ taps, first, count, values }: Weights, each: (o: number, t: number, w: number) => void): void {
  first.forEach((from, o) => {
    for (let t = 0; t < count[o]!; t++) each(o, from + t, values[o * taps + t]!);
  });
}

/** Two or four neighbours whatever the reduction; those outside of the image are its border. */
function plainWeights(inputs: number, outputs: number, how: 'bilinear' | 'bicubic'): Weights {
  const first = new Int32Array(outputs);
  const count = new Int32Array(outputs);
  const taps = 4;
  const values = new Float64Array(outputs * taps);
  const scale = inputs / outputs;
  for (let o = 0; o < outputs; o++) {
    const exact = (o + 0.5) * scale - 0.5;
    const center = how === 'bilinear' ? Math.max(0, exact) : exact;
    const base = Math.floor(center);
    const near = how === 'bilinear' ? [0, 1] : [-1, 0, 1, 2];
    const at = (step: number): number => Math.min(inputs - 1, Math.max(0, base + step));
    first[o] = at(near[0]!);
    count[o] = at(near.at(-1)!) - first[o]! + 1;
    for (const step of near) {
      const distance = Math.abs(center - base - step);
      values[o * taps + at(step) - first[o]!]! += how === 'bilinear' ? 1 - distance : keys(distance, -0.75);
    }
  }
  return { taps, first, count, values };
}
