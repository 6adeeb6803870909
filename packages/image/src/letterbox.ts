/** A whole image in a square input of a network. */
import type { ImageInput } from '@unlabel/core';
import type { RgbImage } from './decode.ts';
import { normalizeImage } from './prepare.ts';
import { resizeImage } from './resize.ts';

export interface Letterboxed {
  /** Normalised RGB [size, size, 3]: the image at the upper left, zeros to its right and below. */
  readonly data: Float32Array;
  /** Pixels of the resized image. */
  readonly width: number;
  readonly height: number;
  /** Pixels of the square a pixel of the image. */
  readonly scaleX: number;
  readonly scaleY: number;
}

/** The longer side brought to `size`, the other in proportion, at least one pixel. */
export function letterboxImage(
  image: RgbImage,
  size: number,
  input: Pick<ImageInput, 'interpolation' | 'mean' | 'std'>,
): Letterboxed {
  const scale = size / Math.max(image.width, image.height);
  const side = (length: number): number => Math.max(1, Math.round(length * scale));
  const [width, height] = [side(image.width), side(image.height)];
  const pixels = normalizeImage(resizeImage(image, width, height, input.interpolation), input);
  const data = new Float32Array(size * size * 3);
  for (let y = 0; y < height; y++) data.set(pixels.subarray(y * width * 3, (y + 1) * width * 3), y * size * 3);
  return { data, width, height, scaleX: width / image.width, scaleY: height / image.height };
}
