/**
 * Brightness, contrast, saturation and sharpness as Pillow's `ImageEnhance`: the image blended with a degenerate of itself, out of
 * `degenerate + factor·(image − degenerate)` in float32, cut to a byte. torchvision's PIL back end calls these.
 */
import type { RgbImage } from '@unlabel/image';
import { luma } from './luma.ts';
import { byteTable, throughTable } from './point.ts';

const { fround } = Math;

/** Image.blend of two values; `factor` is a float32. */
function blend(from: number, to: number, factor: number): number {
  const value = fround(from + fround(factor * (to - from)));
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value);
}

/** factor 0 is black, 1 the image. */
export function adjustBrightness(image: RgbImage, factor: number): RgbImage {
  const f = fround(factor);
  return throughTable(
    image,
    byteTable((v) => blend(0, v, f)),
  );
}

/** factor 0 is the mean grey everywhere, 1 the image. */
export function adjustContrast(image: RgbImage, factor: number): RgbImage {
  const f = fround(factor);
  const grey = luma(image);
  let sum = 0;
  for (let i = 0; i < grey.length; i++) sum += grey[i]!; // an iterator takes three times as long
  const mean = Math.trunc(sum / grey.length + 0.5);
  return throughTable(
    image,
    byteTable((v) => blend(mean, v, f)),
  );
}

/** factor 0 is grey, 1 the image. */
export function adjustSaturation(image: RgbImage, factor: number): RgbImage {
  const f = fround(factor);
  // factor·(value − grey) for differences of −255 … 255
  const parts = Float32Array.from({ length: 511 }, (_, i) => f * (i - 255));
  const grey = luma(image);
  const { data: from } = image;
  const data = new Uint8ClampedArray(from.length);
  for (let i = 0, at = 0; i < grey.length; i++, at += 3) {
    const level = grey[i]!;
    const base = 255 - level;
    data[at] = Math.trunc(fround(level + parts[base + from[at]!]!));
    data[at + 1] = Math.trunc(fround(level + parts[base + from[at + 1]!]!));
    data[at + 2] = Math.trunc(fround(level + parts[base + from[at + 2]!]!));
  }
  return { ...image, data: new Uint8Array(data.buffer) };
}

/** factor 0 is a 3×3 smoothing (centre 5, the rest 1; the border is left), 1 the image. */
export function adjustSharpness(image: RgbImage, factor: number): RgbImage {
  const f = fround(factor);
  const { width, height, data } = image;
  const out = data.slice();
  const row = width * 3;
  const [side, center] = [fround(1 / 13), fround(5 / 13)];
  for (let y = 1; y < height - 1; y++) {
    for (let at = y * row + 3; at < (y + 1) * row - 3; at++) {
      let sum = 0.5;
      for (const line of [at + row, at, at - row]) {
        const part = data[line - 3]! * side + data[line]! * (line === at ? center : side) + data[line + 3]! * side;
        sum = fround(sum + part);
      }
      out[at] = blend(Math.trunc(sum), data[at]!, f);
    }
  }
  return { ...image, data: out };
}
