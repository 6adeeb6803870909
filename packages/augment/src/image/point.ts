/** Operations on single values through a table, as Pillow's `ImageOps`: solarize, invert, posterize, autocontrast, equalize. */
import type { RgbImage } from '@unlabel/image';

/** value → table[value], one table for all channels or one each. */
export function throughTable(image: RgbImage, ...tables: readonly Uint8Array[]): RgbImage {
  const data = new Uint8Array(image.data.length);
  const [r, g = r, b = r] = tables as [Uint8Array, Uint8Array?, Uint8Array?];
  for (let at = 0; at < data.length; at += 3) {
    data[at] = r[image.data[at]!]!;
    data[at + 1] = g[image.data[at + 1]!]!;
    data[at + 2] = b[image.data[at + 2]!]!;
  }
  return { ...image, data };
}

export const byteTable = (of: (value: number) => number): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, value) => of(value));

/** Values from `threshold` on are inverted. */
export const solarize = (image: RgbImage, threshold = 128): RgbImage =>
  throughTable(
    image,
    byteTable((v) => (v < threshold ? v : 255 - v)),
  );

export const invert = (image: RgbImage): RgbImage =>
  throughTable(
    image,
    byteTable((v) => 255 - v),
  );

/** Keeps the upper `bits` of each value. */
export const posterize = (image: RgbImage, bits: number): RgbImage =>
  throughTable(
    image,
    byteTable((v) => v & ~(2 ** (8 - bits) - 1)),
  );

/** Each channel stretched so that its darkest value is 0 and its lightest 255. */
export function autocontrast(image: RgbImage): RgbImage {
  const tables = histograms(image).map((counts) => {
    const low = counts.findIndex((n) => n > 0);
    const high = counts.findLastIndex((n) => n > 0);
    if (high <= low) return byteTable((v) => v);
    const scale = 255 / (high - low);
    return byteTable((v) => Math.min(255, Math.max(0, Math.trunc(v * scale - low * scale))));
  });
  return throughTable(image, ...tables);
}

/** Each channel's values spread so that they are about equally frequent. */
export function equalize(image: RgbImage): RgbImage {
  const tables = histograms(image).map((counts) => {
    const used = counts.filter((n) => n > 0);
    const step = Math.floor((counts.reduce((sum, n) => sum + n, 0) - used.at(-1)!) / 255);
    if (used.length <= 1 || step === 0) return byteTable((v) => v);
    let sum = Math.floor(step / 2);
    return byteTable((v) => {
      const level = Math.min(255, Math.floor(sum / step));
      sum += counts[v]!;
      return level;
    });
  });
  return throughTable(image, ...tables);
}

function histograms({ data }: RgbImage): number[][] {
  const counts = [0, 1, 2].map(() => Array.from({ length: 256 }, () => 0));
  data.forEach((value, i) => counts[i % 3]![value]!++);
  return counts;
}
