/**
 * Hue shift through 8-bit HSV as torchvision's PIL back end does it (`adjust_hue`): both conversions are Pillow's
 * (src/libImaging/Convert.c), whose mixture of float32 and float64 decides single levels. The loop over pixels has no branch: in photographs
 * which channel is the greatest is hard to foresee.
 */
import type { RgbImage } from '@unlabel/image';

const { fround } = Math;

/** Everything that is a function of two bytes or of the order of the channels. */
interface Tables {
  /** Saturation, [greatest · 256 + range]. */
  readonly saturation: Uint8Array;
  /** Hue, [order · 65536 + range · 256 + greatest − middle]; of the order's bits r < g, g < b, r < b. */
  readonly hue: Uint8Array;
  /** The least channel, [saturation · 256 + greatest]. */
  readonly least: Uint8Array;
  /** Saturation as a share. */
  readonly share: Float32Array;
  /** Of a turned hue: what the saturation is multiplied by for the middle channel, and whether that is rounded to float32. */
  readonly slope: Float64Array;
  readonly isFalling: Uint8Array;
  /** Of a turned hue: which of red, green and blue is the greatest, the middle and the least. */
  readonly places: Uint8Array;
}

/** The greatest, middle and least channel in each sixth of the circle. */
const sextants = [[0, 1, 2], [1, 0, 2], [1, 2, 0], [2, 1, 0], [2, 0, 1], [0, 2, 1]] as const; // prettier-ignore

let made: Tables | undefined;

function makeTables(): Tables {
  const [saturation, least, hue] = [new Uint8Array(65536), new Uint8Array(65536), new Uint8Array(8 * 65536)];
  const share = Float32Array.from({ length: 256 }, (_, v) => v / 255);
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b++) {
      if (a > 0 && b <= a) saturation[a * 256 + b] = Math.trunc(fround(b / a) * 255);
      least[a * 256 + b] = Math.floor(b * (1 - share[a]!) + 0.5);
    }
  }
  for (const [greatest, middle, smallest] of sextants) {
    // the order's code, for channels 2, 1 and 0 in these places
    const level = [0, 0, 0];
    [level[greatest], level[middle], level[smallest]] = [2, 1, 0];
    const [r, g, b] = level as [number, number, number];
    const order = (r < g ? 1 : 0) | (g < b ? 2 : 0) | (r < b ? 4 : 0);
    for (let range = 1; range < 256; range++) {
      for (let below = 0; below <= range; below++) {
        const parts = [0, 0, 0]; // (greatest − channel)/range
        parts[middle] = fround(below / range);
        parts[smallest] = 1;
        const [rc, gc, bc] = parts as [number, number, number];
        const corner = fround(greatest === 0 ? fround(bc - gc) : greatest === 1 ? 2 + rc - bc : 4 + gc - rc);
        const turn = corner / 6 + 1;
        const value = Math.trunc(fround(turn >= 1 ? turn - 1 : turn) * 255);
        hue[order * 65536 + range * 256 + below] = value;
      }
    }
  }
  const [slope, isFalling, places] = [new Float64Array(256), new Uint8Array(256), new Uint8Array(256 * 3)];
  for (let v = 0; v < 256; v++) {
    const sextant = Math.floor((v * 6) / 255);
    const rest = fround((v * 6) / 255 - sextant);
    isFalling[v] = sextant % 2;
    slope[v] = sextant % 2 === 1 ? rest : 1 - rest;
    places.set(sextants[sextant % 6]!, v * 3);
  }
  return { saturation, hue, least, share, slope, isFalling, places };
}

/** Turns every hue by `factor` of the circle, −0.5 … 0.5. */
export function adjustHue(image: RgbImage, factor: number): RgbImage {
  const { saturation, hue, least, share, slope, isFalling, places } = (made ??= makeTables());
  const shift = Math.trunc(factor * 255) & 255;
  const { data: from } = image;
  const data = new Uint8Array(from.length);
  for (let at = 0; at < from.length; at += 3) {
    const r = from[at]!;
    const g = from[at + 1]!;
    const b = from[at + 2]!;
    const [rg, gb, rb] = [(r - g) >> 31, (g - b) >> 31, (r - b) >> 31]; // −1 where the first is smaller
    const high = r - ((r - g) & rg);
    const low = g + ((r - g) & rg);
    const max = high - ((high - b) & ((high - b) >> 31));
    const min = low + ((b - low) & ((b - low) >> 31));
    const middle = r + g + b - max - min;
    const order = (rg & 1) | (gb & 2) | (rb & 4);
    const range = max - min;
    const s = saturation[max * 256 + range]!;
    const turned = (hue[order * 65536 + range * 256 + max - middle]! + shift) & 255;
    const part = share[s]! * slope[turned]!;
    const rounded = part + isFalling[turned]! * (fround(part) - part); // the difference is exact
    const place = turned * 3;
    data[at + places[place]!] = max;
    data[at + places[place + 1]!] = max * (1 - rounded) + 0.5;
    data[at + places[place + 2]!] = least[s * 256 + max]!;
  }
  return { ...image, data };
}
