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
  sextant[v] = Math.floor((v * 6) / 255);
  remainder[v] = (v * 6) / 255 - sextant[v]!;
  share[v] = v / 255;
}

/** Turns every hue by `factor` of the circle, −0.5 … 0.5. */
export function adjustHue(image: RgbImage, factor: number): RgbImage {
  const shift = Math.trunc(factor * 255) & 255;
  const { data: from } = image;
  const data = new Uint8Array(from.length);
  for (let at = 0; at < from.length; at += 3) {
    const [r, g, b] = [from[at]!, from[at + 1]!, from[at + 2]!];
    const max = r > g ? (r > b ? r : b) : g > b ? g : b;
    const min = r < g ? (r < b ? r : b) : g < b ? g : b;
    let [hue, saturation] = [0, 0];
    if (max !== min) {
      const range = max - min;
      const [rc, gc, bc] = [fround((max - r) / range), fround((max - g) / range), fround((max - b) / range)];
      const corner = fround(r === max ? fround(bc - gc) : g === max ? 2 + rc - bc : 4 + gc - rc);
      const turn = corner / 6 + 1;
      hue = Math.trunc(fround(turn >= 1 ? turn - 1 : turn) * 255);
      saturation = Math.trunc(fround(range / max) * 255);
    }
    if (saturation === 0) {
      data[at] = data[at + 1] = data[at + 2] = max;
      continue;
    }
    const turned = (hue + shift) & 255;
    const [f, s] = [remainder[turned]!, share[saturation]!];
    const p = Math.floor(max * (1 - s) + 0.5);
    const q = Math.floor(max * (1 - fround(s * f)) + 0.5);
    const t = Math.floor(max * (1 - s * (1 - f)) + 0.5);
    const sector = sextant[turned]! % 6;
    data[at] = sector === 0 || sector === 5 ? max : sector === 1 ? q : sector === 4 ? t : p;
    data[at + 1] = sector === 1 || sector === 2 ? max : sector === 0 ? t : sector === 3 ? q : p;
    data[at + 2] = sector === 3 || sector === 4 ? max : sector === 2 ? t : sector === 5 ? q : p;
  }
  return { ...image, data };
}
