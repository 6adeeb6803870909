/**
 * Resizing 8-bit RGB images as Pillow 13 does (`Image.resize`, src/libImaging/Resample.c), byte for byte: a filter as wide as the
 * reduction (antialiased), weights in fixed point of 22 bits, first along rows, then along columns, rounded to bytes between.
 */
import { ConfigError } from '@unlabel/core';
import type { RgbImage } from './decode.ts';

/** `bicubic` has a = −0.5. */
export type Interpolation = 'nearest' | 'bilinear' | 'bicubic';

/** A rectangle of pixels inside an image. */
export interface CropBox {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

export interface Filter {
  readonly support: number;
  readonly weight: (x: number) => number;
}

export const filters: Readonly<Record<'bilinear' | 'bicubic', Filter>> = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: (x) => keys(Math.abs(x), -0.5) },
};

/** Keys' cubic kernel at x ≥ 0. */
export function keys(x: number, a: number): number {
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/** For each output pixel: the first input pixel, how many, and their weights (`taps` a row, float64, sum 1). */
export interface Weights {
  readonly taps: number;
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly values: Float64Array;
}

/** Antialiased weights of `outputs` pixels over `inputs`. */
export function antialiasedWeights(inputs: number, outputs: number, { support, weight }: Filter): Weights {
  const scale = inputs / outputs;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  const taps = Math.ceil(reach) * 2 + 1;
  const [first, count] = [new Int32Array(outputs), new Int32Array(outputs)];
  const values = new Float64Array(outputs * taps);
  for (let o = 0; o < outputs; o++) {
    const center = (o + 0.5) * scale;
    const from = Math.max(0, Math.trunc(center - reach + 0.5));
    const n = Math.min(inputs, Math.trunc(center + reach + 0.5)) - from;
    let sum = 0;
    for (let t = 0; t < n; t++) sum += values[o * taps + t] = weight((t + from - center + 0.5) / stretch);
    for (let t = 0; t < n; t++) values[o * taps + t]! /= sum;
    first[o] = from;
    count[o] = n;
  }
  return { taps, first, count, values };
}

const precision = 22;
const half = 1 << (precision - 1);

function fixedPoint({ values }: Weights): Int32Array {
  const one = 1 << precision;
  return Int32Array.from(values, (w) => Math.trunc(w < 0 ? w * one - 0.5 : w * one + 0.5));
}

const toByte = (sum: number): number => {
  const value = sum >> precision;
  return value < 0 ? 0 : value > 255 ? 255 : value;
};

function alongRows(image: RgbImage, width: number, weights: Weights): RgbImage {
  const { data, height } = image;
  const out = new Uint8Array(height * width * 3);
  const fixed = fixedPoint(weights);
  const { taps, first, count } = weights;
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      let r = half;
      let g = half;
      let b = half;
      let at = (y * image.width + first[x]!) * 3;
      for (let k = x * taps, end = k + count[x]!; k < end; k++, at += 3) {
        const w = fixed[k]!;
        r = (r + Math.imul(data[at]!, w)) | 0; // in whole numbers all the way: sums stay below 2³¹
        g = (g + Math.imul(data[at + 1]!, w)) | 0;
        b = (b + Math.imul(data[at + 2]!, w)) | 0;
      }
      out[to] = toByte(r);
      out[to + 1] = toByte(g);
      out[to + 2] = toByte(b);
    }
  }
  return { width, height, data: out };
}

function alongColumns(image: RgbImage, height: number, weights: Weights): RgbImage {
  const { data, width } = image;
  const stride = width * 3;
  const out = new Uint8Array(height * stride);
  const fixed = fixedPoint(weights);
  const { taps, first, count } = weights;
  const sums = new Int32Array(stride);
  for (let y = 0; y < height; y++) {
    const n = count[y]!;
    // three rows at a time, as most outputs have no more; a row that is not there has weight 0
    for (let t = 0; t < n; t += 3) {
      const at = (first[y]! + t) * stride;
      const k = y * taps + t;
      const [w0, w1, w2] = [fixed[k]!, t + 1 < n ? fixed[k + 1]! : 0, t + 2 < n ? fixed[k + 2]! : 0];
      const [next, last] = [t + 1 < n ? at + stride : at, t + 2 < n ? at + 2 * stride : at];
      const isLast = t + 3 >= n;
      for (let i = 0; i < stride; i++) {
        const before = t === 0 ? half : sums[i]!;
        const three = Math.imul(data[at + i]!, w0) + Math.imul(data[next + i]!, w1) + Math.imul(data[last + i]!, w2);
        const sum = (before + three) | 0;
        if (isLast) out[y * stride + i] = toByte(sum);
        else sums[i] = sum;
      }
    }
  }
  return { width, height, data: out };
}

function nearest(image: RgbImage, width: number, height: number): RgbImage {
  const out = new Uint8Array(width * height * 3);
  const [columns, rows] = [nearestOf(image.width, width), nearestOf(image.height, height)];
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      const at = (rows[y]! * image.width + columns[x]!) * 3;
      for (let c = 0; c < 3; c++) out[to + c] = image.data[at + c]!;
    }
  }
  return { width, height, data: out };
}

/** Pillow adds up the step, whose rounding decides where a centre falls between two pixels. */
function nearestOf(inputs: number, outputs: number): Int32Array {
  const step = inputs / outputs;
  let place = step * 0.5;
  return Int32Array.from({ length: outputs }, () => {
    const pixel = Math.min(inputs - 1, Math.trunc(place));
    place += step;
    return pixel;
  });
}

/** `image` brought to `width` × `height` pixels, up or down. */
export function resizeImage(image: RgbImage, width: number, height: number, how: Interpolation): RgbImage {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0))
    throw new ConfigError(`resize to ${width} × ${height}: expected whole numbers of pixels above 0`);
  if (how === 'nearest') return nearest(image, width, height);
  const filter = filters[how];
  const wide = width === image.width ? image : alongRows(image, width, antialiasedWeights(image.width, width, filter));
  return height === image.height ? wide : alongColumns(wide, height, antialiasedWeights(image.height, height, filter));
}

/** The shorter side brought to `side`, the longer in proportion and cut off to a whole pixel, as torchvision's `Resize(side)`. */
export function resizeShortSide(image: RgbImage, side: number, how: Interpolation): RgbImage {
  const { width, height } = image;
  if (Math.min(width, height) === side) return image;
  return width <= height
    ? resizeImage(image, side, Math.trunc((side * height) / width), how)
    : resizeImage(image, Math.trunc((side * width) / height), side, how);
}
