/** Images as `Sample.image` [H, W, 3] of 0…1: decoded at each access, or read as bytes from the cache. */
import { closeSync, openSync, readSync } from 'node:fs';
import { ConfigError, type ImageInput, type InputSpec } from '@unlabel/core';
import { toFloat } from '@unlabel/augment';
import { decodeImage, resizeShortSide, type RgbImage } from '@unlabel/image';
import type { Item } from './items.ts';
import type { CacheEntry, Source } from './source.ts';

/** `input.image` of a method for images. */
export function imageInputOf({ modality, image }: InputSpec): ImageInput | undefined {
  if (modality === 'image' && image === undefined)
    throw new ConfigError('input.image: a method for images must state size, resize, interpolation, mean and std.');
  return image;
}

/** A file's pixels as stored (no orientation, no alpha, as torchvision), its shorter side brought down to `cacheSide`. */
export async function loadImage(path: string, { cacheSide, interpolation }: ImageInput): Promise<RgbImage> {
  const image = await decodeImage(await fileOrEntry(path), { orientation: 'ignored' }, path);
  const isLarge = cacheSide !== undefined && Math.min(image.width, image.height) > cacheSide;
  return isLarge ? resizeShortSide(image, cacheSide, interpolation) : image;
}

/** A file's path, or the bytes of `archive.zip#entry`. */
async function fileOrEntry(path: string): Promise<string | Uint8Array> {
  if (!/\.zip#/i.test(path)) return path;
  const { readImageFile } = await import('@unlabel/tasks'); // only where it is needed: it brings the engine along
  return readImageFile(path);
}

export function createImageSource(
  items: readonly Item[],
  input: ImageInput,
  cache: readonly CacheEntry[] | undefined,
): Source {
  const files = new Map<string, number>();
  const fromCache = ({ file: path, offset, frames: height, columns: width = 0 }: CacheEntry): RgbImage => {
    let file = files.get(path);
    if (file === undefined) files.set(path, (file = openSync(path, 'r')));
    const data = new Uint8Array(height * width * 3);
    if (readSync(file, data, 0, data.length, offset) !== data.length)
      throw new ConfigError(`${path}: cache is shorter than its index; delete it and run again.`);
    return { width, height, data };
  };
  return {
    async sample(item) {
      const entry = cache?.[item];
      return { image: toFloat(entry ? fromCache(entry) : await loadImage(items[item]!.path, input)) };
    },
    close() {
      for (const file of files.values()) closeSync(file);
      files.clear();
    },
  };
}
