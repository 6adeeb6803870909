/** Where a random resized crop lies: torchvision's `RandomResizedCrop.get_params` (Szegedy et al., arXiv 1409.4842, §6). */
import type { Rng } from '@unlabel/core';
import { halfToEven, type CropBox } from '@unlabel/image';

export interface RandomResizedCropOptions {
  /** Share of the image's area, drawn uniformly. */
  readonly scale: readonly [number, number];
  /** Width over height, drawn uniformly in the logarithm. Default 3/4 … 4/3. */
  readonly ratio?: readonly [number, number];
}

const tries = 10;

/** A box of random area and shape; after ten that don't fit, the largest in the middle with an allowed shape. */
export function randomCropBox(width: number, height: number, rng: Rng, options: RandomResizedCropOptions): CropBox {
  const { scale, ratio = [3 / 4, 4 / 3] } = options;
  const [least, most] = ratio;
  for (let i = 0; i < tries; i++) {
    const area = width * height * rng.range(scale[0], scale[1]);
    const shape = Math.exp(rng.range(Math.log(least), Math.log(most)));
    const w = halfToEven(Math.sqrt(area * shape));
    const h = halfToEven(Math.sqrt(area / shape));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      return { top: rng.int(height - h + 1), left: rng.int(width - w + 1), height: h, width: w };
    }
  }
  const shape = width / height;
  const w = shape > most ? halfToEven(height * most) : width;
  const h = shape < least ? halfToEven(width / least) : height;
  return { top: Math.floor((height - h) / 2), left: Math.floor((width - w) / 2), height: h, width: w };
}
