/** ITU-R 601-2 luma of 8-bit RGB in Pillow's fixed point (`convert('L')`). */
import type { RgbImage } from '@unlabel/image';

/** One value a pixel. */
export function luma({ data }: RgbImage): Uint8Array {
  const out = new Uint8Array(data.length / 3);
  for (let i = 0, at = 0; i < out.length; i++, at += 3) {
    out[i] = (data[at]! * 19595 + data[at + 1]! * 38470 + data[at + 2]! * 7471 + 0x8000) >> 16;
  }
  return out;
}

/** Grey in three equal channels. */
export function grayscale(image: RgbImage): RgbImage {
  const grey = luma(image);
  const data = new Uint8Array(image.data.length);
  for (let i = 0, at = 0; i < grey.length; i++, at += 3) data[at] = data[at + 1] = data[at + 2] = grey[i]!;
  return { ...image, data };
}
