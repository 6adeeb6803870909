/**
 * Colour operators of torchvision's tensor back end (transforms/v2/functional/_color.py, _misc.py 0.29) on planar images [3, H, W]: float32 of 0…1, or
 * bytes, which are computed in float and cut. They differ from the PIL back end in rounding, in the hue's resolution, and in a
 * blur that is a true Gaussian.
 */
import { sizeOf, type NdArray } from '@unlabel/core';

/** `bound` is the largest value: 1 of float images, 255 of bytes, whose results are cut to whole numbers. */
export interface Planar extends NdArray {
  readonly bound: 1 | 255;
}

const { fround } = Math;

function mapped(x: Planar, of: (value: number, i: number) => number): Planar {
  const data = new Float32Array(x.data.length);
  x.data.forEach((value, i) => {
    const clamped = Math.min(x.bound, Math.max(0, fround(of(value, i))));
    data[i] = x.bound === 255 ? Math.trunc(clamped) : clamped;
  });
  return { ...x, data };
}

/** One plane [H·W], a sum of 0.2989, 0.587, 0.114 of the channels; whole numbers for bytes. */
export function tensorLuma({ data, bound }: Planar): Float32Array {
  const plane = data.length / 3;
  return Float32Array.from({ length: plane }, (_, i) => {
    const value = fround(
      fround(fround(data[i]! * fround(0.2989)) + data[plane + i]! * 0.587) + data[2 * plane + i]! * 0.114,
    );
    return bound === 255 ? Math.floor(value) : value;
  });
}

export function tensorGrayscale(x: Planar): Planar {
  const grey = tensorLuma(x);
  return mapped(x, (_, i) => grey[i % grey.length]!);
}

export const tensorBrightness = (x: Planar, factor: number): Planar => mapped(x, (v) => v * factor);

export function tensorContrast(x: Planar, factor: number): Planar {
  const grey = tensorLuma(x);
  let sum = 0;
  for (const value of grey) sum += value;
  const rest = (sum / grey.length) * (1 - factor);
  return mapped(x, (v) => fround(v * factor) + rest);
}

export function tensorSaturation(x: Planar, factor: number): Planar {
  const grey = tensorLuma(x);
  return mapped(x, (v, i) => fround(v * factor) + grey[i % grey.length]! * (1 - factor));
}

export const tensorSolarize = (x: Planar, threshold: number): Planar =>
  mapped(x, (v) => (v >= threshold ? x.bound - v : v));

/** Turns every hue by `factor` of the circle; bytes go through 0…1. */
export function tensorHue(x: Planar, factor: number): Planar {
  const plane = x.data.length / 3;
  const out = new Float32Array(x.data.length);
  for (let i = 0; i < plane; i++) {
    const rgb = [0, 1, 2].map((c) => fround(x.data[c * plane + i]! / x.bound)) as [number, number, number];
    turnHue(rgb, factor).forEach((value, c) => (out[c * plane + i] = value));
  }
  return mapped({ ...x, data: out }, (v) => (x.bound === 255 ? v * (256 - 1e-3) : v));
}

function turnHue([r, g, b]: readonly [number, number, number], factor: number): readonly [number, number, number] {
  const max = Math.max(r, g, b);
  const range = fround(max - Math.min(r, g, b));
  const saturation = range === 0 ? 0 : fround(range / max);
  const from = (value: number): number => fround(fround(max - value) / (range === 0 ? 1 : range));
  const corner = max === r ? from(b) - from(g) : max === g ? 2 + from(r) - from(b) : 4 + from(g) - from(r);
  const hue = (((fround(corner) / 6 + 1) % 1) + factor + 1) % 1;
  const sector = Math.floor(hue * 6);
  const part = hue * 6 - sector;
  const p = max * (1 - saturation);
  const q = max * (1 - saturation * part);
  const t = max * (1 - saturation * (1 - part));
  const table = [[max, t, p], [q, max, p], [p, max, t], [p, q, max], [t, p, max], [max, p, q]] as const; // prettier-ignore
  return table[sector % 6]!;
}

/** A Gaussian of `size` × `size` taps (odd) and standard deviation `sigma`, borders reflected without their last pixel. */
export function tensorBlur(x: Planar, size: number, sigma: number): Planar {
  const reach = (size - 1) / 2;
  const taps = Array.from({ length: size }, (_, i) => Math.exp(-0.5 * ((i - reach) / sigma) ** 2));
  const sum = taps.reduce((a, b) => a + b, 0);
  const [, rows = 1, columns = 1] = x.shape;
  const reflect = (i: number, length: number): number => {
    const period = Math.max(1, 2 * (length - 1));
    const held = ((i % period) + period) % period;
    return held < length ? held : period - held;
  };
  const along = (from: ArrayLike<number>, step: number, length: number): Float64Array =>
    Float64Array.from({ length: sizeOf(x.shape) }, (_, i) => {
      const place = Math.floor(i / step) % length;
      return taps.reduce((total, w, t) => {
        return total + (w / sum) * from[i + (reflect(place + t - reach, length) - place) * step]!;
      }, 0);
    });
  const blurred = along(along(x.data, 1, columns), columns, rows);
  return mapped(x, (_, i) => blurred[i]!);
}
