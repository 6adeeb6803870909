/** Cutting out and mirroring 8-bit RGB images. */
import type { RgbImage } from './decode.ts';
import type { CropBox } from './resize.ts';

/** The pixels of `box`; black where it lies outside of the image. */
export function cropImage(image: RgbImage, { top, left, height, width }: CropBox): RgbImage {
  const data = new Uint8Array(width * height * 3);
  const [from, to] = [Math.max(0, left), Math.min(image.width, left + width)];
  for (let y = Math.max(0, -top); y < height && top + y < image.height; y++) {
    if (to <= from) break;
    const row = (top + y) * image.width;
    data.set(image.data.subarray((row + from) * 3, (row + to) * 3), (y * width + from - left) * 3);
  }
  return { width, height, data };
}

/** A square from the middle, as torchvision's `CenterCrop(size)`; smaller images are first padded with black. */
export function centerCrop(image: RgbImage, size: number): RgbImage {
  const start = (length: number): number =>
    length < size ? -Math.floor((size - length) / 2) : halfToEven((length - size) / 2);
  return cropImage(image, { top: start(image.height), left: start(image.width), height: size, width: size });
}

/** Python's `round`. */
export function halfToEven(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/** Left and right exchanged. */
export function flipHorizontal({ width, height, data }: RgbImage): RgbImage {
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3;
      const to = (y * width + width - 1 - x) * 3;
      out[to] = data[at]!;
      out[to + 1] = data[at + 1]!;
      out[to + 2] = data[at + 2]!;
    }
  }
  return { width, height, data: out };
}
