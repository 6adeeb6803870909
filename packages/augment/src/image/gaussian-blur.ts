/**
 * Pillow's `ImageFilter.GaussianBlur` (src/libImaging/BoxBlur.c), byte for byte: three box blurs of fractional width along rows,
 * then along columns, after Gwosdek, Grewenig, Bruhn, Weickert, "Theoretical foundations of Gaussian convolution by extended box
 * filtering", SSVM 2011. It is what MoCo v2, Barlow Twins and DINO train with; a true Gaussian differs by about a level.
 */
import type { RgbImage } from '@unlabel/image';

const { fround } = Math;
const passes = 3;

/** Box radius with its fraction for the standard deviation `sigma` in pixels, [11] and [14] of the paper. */
export function boxRadius(sigma: number): number {
  const variance = fround(fround(fround(sigma) * fround(sigma)) / passes);
  const length = fround(Math.sqrt(12 * variance + 1));
  const whole = fround(Math.floor((length - 1) / 2));
  const over = fround((2 * whole + 1) * (whole * (whole + 1) - fround(3 * variance)));
  return fround(whole + fround(over / fround(6 * (variance - (whole + 1) * (whole + 1)))));
}

/** Standard deviation `sigma` ≥ 0 in pixels; borders repeat their last pixel. */
export function gaussianBlur(image: RgbImage, sigma: number): RgbImage {
  const radius = boxRadius(sigma);
  if (radius === 0) return image;
  const { width, height } = image;
  const data = image.data.slice();
  const whole = Math.trunc(radius);
  const weight = Math.trunc(fround((1 << 24) / fround(fround(radius * 2) + 1)));
  const edge = Math.trunc(((1 << 24) - (whole * 2 + 1) * weight) / 2);
  const line = new Int32Array(Math.max(width, height) + 2 * (whole + 1));
  const blur = (start: number, stride: number, length: number): void =>
    blurLine(data, { start, stride, length }, line, whole, weight, edge);
  for (let y = 0; y < height; y++) for (let c = 0; c < 3; c++) blur(y * width * 3 + c, 3, width);
  for (let i = 0; i < width * 3; i++) blur(i, width * 3, height);
  return { width, height, data };
}

interface Line {
  readonly start: number;
  readonly stride: number;
  readonly length: number;
}

/** All passes over one line of one channel. `line` holds it with `whole + 1` repeated pixels on both sides. */
function blurLine(
  data: Uint8Array,
  { start, stride, length }: Line,
  line: Int32Array,
  whole: number,
  weight: number,
  edge: number,
): void {
  const margin = whole + 1;
  for (let i = 0, at = start; i < length; i++, at += stride) line[margin + i] = data[at]!;
  for (let pass = 0; pass < passes; pass++) {
    const [first, last] = [line[margin]!, line[margin + length - 1]!];
    for (let i = 0; i < margin; i++) {
      line[i] = first;
      line[margin + length + i] = last;
    }
    let sum = 0; // of the 2·whole + 1 pixels around the one before the first
    for (let i = 0; i < 2 * whole + 1; i++) sum += line[i]!;
    // written one margin to the left, where nothing is read any more
    for (let i = 0; i < length; i++) {
      const [left, right] = [line[i]!, line[i + 2 * whole + 2]!];
      sum += line[i + 2 * whole + 1]! - left;
      line[i] = (Math.imul(sum, weight) + Math.imul(left + right, edge) + (1 << 23)) >>> 24;
    }
    line.copyWithin(margin, 0, length);
  }
  for (let i = 0, at = start; i < length; i++, at += stride) data[at] = line[margin + i]!;
}
