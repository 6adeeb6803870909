/** Between the arrays that samples and networks hold (float, 0…1 or normalised) and the bytes that augmentations work on. */
import { DataError, type NdArray, type Sample } from '@unlabel/core';
import type { CropBox, RgbImage } from '@unlabel/image';

export type Channels = readonly [number, number, number];

/** A sample's `image` [H, W, 3]. */
export function imageOf(sample: Sample, who: string): NdArray {
  const x = sample['image'];
  if (x?.shape.length === 3 && x.shape[2] === 3) return x;
  const found = x ? `[${x.shape.join(', ')}]` : Object.keys(sample).join(', ') || 'nothing';
  throw new DataError(`${who}: an input has ${found}; expected image [height, width, 3].`);
}

/** 0…1 as float [H, W, 3]. */
export function toFloat({ width, height, data }: RgbImage): NdArray {
  const out = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) out[i] = data[i]! / 255;
  return { data: out, shape: [height, width, 3] };
}

/** The bytes of a box of an image of 0…1: exact for values that were bytes. */
export function toBytes({ data, shape }: NdArray, box?: CropBox): RgbImage {
  const [rows = 0, columns = 0] = shape;
  const { top, left, height, width } = box ?? { top: 0, left: 0, height: rows, width: columns };
  const out = new Uint8Array(height * width * 3);
  for (let y = 0, to = 0; y < height; y++) {
    let at = ((top + y) * columns + left) * 3;
    for (const end = at + width * 3; at < end; at++, to++) out[to] = data[at]! * 255 + 0.5;
  }
  return { width, height, data: out };
}

/** (v/255 − mean)/std by channel, mirrored if asked for → [H, W, 3]; `ToTensor` and `Normalize` in float32. */
export function normalizeBytes(image: RgbImage, mean: Channels, std: Channels, isMirrored = false): NdArray {
  const { width, height, data } = image;
  const tables = mean.map((m, c) =>
    Float32Array.from({ length: 256 }, (_, v) => {
      return Math.fround(Math.fround(Math.fround(v / 255) - Math.fround(m)) / Math.fround(std[c]!));
    }),
  ) as [Float32Array, Float32Array, Float32Array];
  const [r, g, b] = tables;
  const out = new Float32Array(data.length);
  const step = isMirrored ? -3 : 3;
  for (let y = 0, at = 0; y < height; y++) {
    let to = (y * width + (isMirrored ? width - 1 : 0)) * 3;
    for (const end = at + width * 3; at < end; at += 3, to += step) {
      out[to] = r[data[at]!]!;
      out[to + 1] = g[data[at + 1]!]!;
      out[to + 2] = b[data[at + 2]!]!;
    }
  }
  return { data: out, shape: [height, width, 3] };
}
