/** An image as a network takes it: resized, cut or squeezed to a square, normalised. */
import type { CropPolicy, ImageInput } from '@unlabel/core';
import { centerCrop } from './crop.ts';
import type { RgbImage } from './decode.ts';
import { resizeImage, resizeShortSide } from './resize.ts';

/**
 * RGB [size, size, 3] as floats, (x / 255 − mean) / std by channel. `center` is torchvision's `Resize(resize)`, `CenterCrop(size)`;
 * `stretch` is VISSL's VOC07: `Resize(resize)`, then `Resize((size, size))`.
 */
export function prepareImage(image: RgbImage, input: ImageInput, crop: CropPolicy): Float32Array {
  const { size, resize, interpolation } = input;
  const resized = resizeShortSide(image, resize, interpolation);
  const square = crop === 'center' ? centerCrop(resized, size) : resizeImage(resized, size, size, interpolation);
  return normalizeImage(square, input);
}

/** (x / 255 − mean) / std by channel: RGB [height, width, 3] bytes → floats. */
export function normalizeImage({ data }: RgbImage, { mean, std }: Pick<ImageInput, 'mean' | 'std'>): Float32Array {
  // 256 values a channel: looked up instead of divided for each pixel
  const levels = mean.map((m, c) => Float32Array.from({ length: 256 }, (_, x) => (Math.fround(x / 255) - m) / std[c]!));
  const out = new Float32Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    out[i] = levels[0]![data[i]!]!;
    out[i + 1] = levels[1]![data[i + 1]!]!;
    out[i + 2] = levels[2]![data[i + 2]!]!;
  }
  return out;
}
