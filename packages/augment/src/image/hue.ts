/**
 * Hue shift through 8-bit HSV as torchvision's PIL back end does it (`adjust_hue`): both conversions are Pillow's
 * (src/libImaging/Convert.c), whose mixture of float32 and float64 decides single levels.
 */
import type { RgbImage } from '@unlabel/image';

const { fround } = Math;

const sextant = new Uint8Array(256);
const remainder = new Float32Array(256);
const share = new Float32Array(256);
for (let v = 0; v < 256; v++) {
  const whole = Math.floor((v * 6) / 255);
  sextant[v] = whole % 6;
  remainder[v] = (v * 6) / 255 - whole;
  share[v] = v / 255;
}

/** fround(part / whole), and the saturation of that, [whole · 256 + part]: a division each, of which a pixel needs four. */
const quotient = new Float32Array(65536);
const saturationOf = new Uint8Array(65536);
/** The least channel of a hue, [saturation · 256 + greatest channel]. */
const least = new Uint8Array(65536);
for (let a = 0; a < 256; a++) {
  for (let b = 0; b < 256; b++) {
    if (a > 0 && b <= a) {
      quotient[a * 256 + b] = b / a;
      saturationOf[a * 256 + b] = Math.trunc(quotient[a * 256 + b]! * 255);
    }
    least[a * 256 + b] = Math.floor(b * (1 - share[a]!) + 0.5);
  }
}

/** Which of [greatest, falling, least, rising] is red, green and blue in each sixth of the circle. */
const red = Uint8Array.of(0, 1, 2, 2, 3, 0);
const green = Uint8Array.of(3, 0, 0, 1, 2, 2);
const blue = Uint8Array.of(2, 2, 3, 0, 0, 1);

/** Turns every hue by `factor` of the circle, −0.5 … 0.5. */
export function adjustHue(image: RgbImage, factor: number): RgbImage {
  const shift = Math.trunc(factor * 255) & 255;
  const { data: from } = image;
  const data = new Uint8Array(from.length);
  const levels = new Uint8Array(4);
  for (let at = 0; at < from.length; at += 3) {
    const r = from[at]!;
    const g = from[at + 1]!;
    const b = from[at + 2]!;
    const max = Math.max(r, g, b);
    const range = max - Math.min(r, g, b);
    const saturation = saturationOf[max * 256 + range]!;
    if (saturation === 0) {
      data[at] = data[at + 1] = data[at + 2] = max;
      continue;
    }
    const row = range * 256 + max;
    const [rc, gc, bc] = [quotient[row - r]!, quotient[row - g]!, quotient[row - b]!];
    const corner = fround(r === max ? fround(bc - gc) : g === max ? 2 + rc - bc : 4 + gc - rc);
    const turn = corner / 6 + 1;
    const hue = Math.trunc(fround(turn >= 1 ? turn - 1 : turn) * 255);
    const turned = (hue + shift) & 255;
    const [f, s] = [remainder[turned]!, share[saturation]!];
    levels[0] = max;
    levels[1] = max * (1 - fround(s * f)) + 0.5;
    levels[2] = least[saturation * 256 + max]!;
    levels[3] = max * (1 - s * (1 - f)) + 0.5;
    const sector = sextant[turned]!;
    data[at] = levels[red[sector]!]!;
    data[at + 1] = levels[green[sector]!]!;
    data[at + 2] = levels[blue[sector]!]!;
  }
  return { ...image, data };
}
