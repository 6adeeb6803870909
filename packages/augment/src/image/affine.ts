/** Turning, shearing and moving 8-bit images as Pillow's `Image.transform(AFFINE, BILINEAR)`, and quarter turns. */
import type { RgbImage } from '@unlabel/image';

/** Output pixel (x, y) is taken from (a·x + b·y + c, d·x + e·y + f), centres at halves. */
export type Affine = readonly [number, number, number, number, number, number];

/** The image seen through `matrix`, same size; `fill` where it comes from outside. */
export function transformAffine(image: RgbImage, [a, b, c, d, e, f]: Affine, fill: readonly number[]): RgbImage {
  const { width, height, data: from } = image;
  const data = new Uint8Array(from.length);
  const clamp = (i: number, length: number): number => Math.min(length - 1, Math.max(0, i));
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      const [sx, sy] = [a * (x + 0.5) + b * (y + 0.5) + c, d * (x + 0.5) + e * (y + 0.5) + f];
      if (sx < 0 || sx >= width || sy < 0 || sy >= height) {
        data.set(fill, to);
        continue;
      }
      const [left, top] = [Math.floor(sx - 0.5), Math.floor(sy - 0.5)];
      const [dx, dy] = [sx - 0.5 - left, sy - 0.5 - top];
      const [x0, x1] = [clamp(left, width), clamp(left + 1, width)];
      for (let channel = 0; channel < 3; channel++) {
        const row = (line: number): number => {
          const at = clamp(line, height) * width;
          const [first, second] = [from[(at + x0) * 3 + channel]!, from[(at + x1) * 3 + channel]!];
          return first + (second - first) * dx;
        };
        const upper = row(top);
        data[to + channel] = upper + ((top + 1 < height ? row(top + 1) : upper) - upper) * dy;
      }
    }
  }
  return { width, height, data };
}

/** Counter-clockwise by `degrees` about the middle, as `Image.rotate(degrees, BILINEAR)`. */
export function rotate(image: RgbImage, degrees: number, fill: readonly number[]): RgbImage {
  const angle = (-degrees * Math.PI) / 180;
  const round = (x: number): number => Number(x.toFixed(15));
  const [cos, sin] = [round(Math.cos(angle)), round(Math.sin(angle))];
  const [cx, cy] = [image.width / 2, image.height / 2];
  const matrix: Affine = [cos, sin, cx - cos * cx - sin * cy, -sin, cos, cy + sin * cx - cos * cy];
  return transformAffine(image, matrix, fill);
}

/** `turns` quarter turns counter-clockwise. */
export function quarterTurns(image: RgbImage, turns: number): RgbImage {
  if (turns <= 0) return image;
  const { width, height, data: from } = image;
  const data = new Uint8Array(from.length);
  for (let y = 0; y < width; y++) {
    for (let x = 0; x < height; x++) {
      const at = (x * width + width - 1 - y) * 3;
      data.set(from.subarray(at, at + 3), (y * height + x) * 3);
    }
  }
  return quarterTurns({ width: height, height: width, data }, turns - 1);
}
