/** Cut-outs laid over a background, some over others, with the boxes of what can be seen of them. */
import type { Rng } from '@unlabel/core';
import type { RgbImage } from '@unlabel/image';
import { background } from './backgrounds.ts';
import type { SceneObject } from './detection-files.ts';
import type { CutOut } from './emoji.ts';

export interface Labelled {
  readonly cutOut: CutOut;
  readonly label: number;
}

export interface SceneOptions {
  /** Pixels on a side. */
  readonly side: number;
  readonly cutOuts: readonly Labelled[];
  /** At least `side` pixels on a side. */
  readonly photos: readonly RgbImage[];
}

/** Objects: from 2 to 7; their sides in pixels, each doubling as likely as the next. */
const counts = [2, 7] as const;
const sides = [20, 80] as const;
/** An object keeps at least this share in sight. Below half of it in sight, finding it does not count. */
const minSeen = 0.3;
const countedFrom = 0.5;
const tries = 30;

/** `tries` may place fewer objects than drawn, never none. */
export function composeScene({ side, cutOuts, photos }: SceneOptions, rng: Rng): RgbImage & { objects: SceneObject[] } {
  const data = background(side, photos, rng.fork('background'));
  const owner = new Int32Array(side * side).fill(-1);
  const placed: { label: number; pixels: number; seen: number }[] = [];
  const wanted = counts[0] + rng.int(counts[1] - counts[0] + 1);
  for (let k = 0; k < wanted; k++) {
    const { cutOut, label } = cutOuts[rng.int(cutOuts.length)]!;
    const longest = Math.round(sides[0] * (sides[1] / sides[0]) ** (rng.int(65) / 64));
    const one = scaled(cutOut, longest, rng.chance(0.5));
    for (let t = 0; t < tries; t++) {
      const [left, top] = [rng.int(side - one.width + 1), rng.int(side - one.height + 1)];
      const hidden = hiddenBy(one, left, top, side, owner, placed.length);
      if (placed.some(({ pixels, seen }, i) => seen - hidden[i]! < minSeen * pixels)) continue;
      hidden.forEach((count, i) => (placed[i]!.seen -= count));
      const pixels = paste(one, left, top, side, data, owner, placed.length);
      placed.push({ label, pixels, seen: pixels });
      break;
    }
  }
  const boxes = boxesOf(owner, side, placed.length);
  const objects = placed.map(({ label, pixels, seen }, i) => ({
    label,
    box: boxes[i]!,
    area: seen,
    isDifficult: seen < countedFrom * pixels,
  }));
  return { width: side, height: side, data, objects };
}

const isSolid = (alpha: number): boolean => alpha >= 128;

/** Solid pixels of each earlier object that a new one would cover. */
function hiddenBy(one: CutOut, left: number, top: number, side: number, owner: Int32Array, count: number): number[] {
  const hidden = Array.from({ length: count }, () => 0);
  for (let y = 0; y < one.height; y++)
    for (let x = 0; x < one.width; x++) {
      const below = owner[(top + y) * side + left + x]!;
      if (below >= 0 && isSolid(one.alpha[y * one.width + x]!)) hidden[below]!++;
    }
  return hidden;
}

/** @returns solid pixels */
function paste(
  { width, height, color, alpha }: CutOut,
  left: number,
  top: number,
  side: number,
  data: Uint8Array,
  owner: Int32Array,
  index: number,
): number {
  let solid = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [from, to] = [y * width + x, (top + y) * side + left + x];
      const through = (255 - alpha[from]!) / 255;
      for (let c = 0; c < 3; c++)
        data[3 * to + c] = Math.min(255, Math.round(color[3 * from + c]! + data[3 * to + c]! * through));
      if (!isSolid(alpha[from]!)) continue;
      owner[to] = index;
      solid++;
    }
  }
  return solid;
}

/** Tight boxes of what can be seen. */
function boxesOf(owner: Int32Array, side: number, count: number): [number, number, number, number][] {
  const edges = Array.from({ length: count }, () => [side, side, 0, 0] as [number, number, number, number]);
  owner.forEach((index, at) => {
    if (index < 0) return;
    const [x, y] = [at % side, Math.floor(at / side)];
    const edge = edges[index]!;
    edge[0] = Math.min(edge[0], x);
    edge[1] = Math.min(edge[1], y);
    edge[2] = Math.max(edge[2], x + 1);
    edge[3] = Math.max(edge[3], y + 1);
  });
  return edges.map(([x1, y1, x2, y2]) => [x1, y1, x2 - x1, y2 - y1]);
}

/** A cut-out whose longer side is `longest` pixels, by the triangle filter that widens when it shrinks. */
function scaled(cutOut: CutOut, longest: number, isMirrored: boolean): CutOut {
  const factor = longest / Math.max(cutOut.width, cutOut.height);
  const [width, height] = [cutOut.width, cutOut.height].map((old) => Math.max(1, Math.round(old * factor))) as [number, number]; // prettier-ignore
  const columns = weightsOf(cutOut.width, width);
  if (isMirrored) columns.reverse();
  const rows = weightsOf(cutOut.height, height);
  const channel = (data: Uint8Array, step: number, at: number): Uint8Array => {
    const across = new Float64Array(cutOut.height * width);
    columns.forEach((taps, x) => {
      for (let y = 0; y < cutOut.height; y++)
        for (const [i, share] of taps) across[y * width + x]! += share * data[(y * cutOut.width + i) * step + at]!;
    });
    const sums = new Float64Array(height * width);
    rows.forEach((taps, y) => {
      for (const [j, share] of taps)
        for (let x = 0; x < width; x++) sums[y * width + x]! += share * across[j * width + x]!;
    });
    return Uint8Array.from(sums, (sum) => Math.round(sum));
  };
  const alpha = channel(cutOut.alpha, 1, 0);
  const planes = [0, 1, 2].map((c) => channel(cutOut.color, 3, c));
  const color = Uint8Array.from({ length: 3 * width * height }, (_, i) => planes[i % 3]![Math.floor(i / 3)]!);
  return { width, height, color, alpha };
}

/** For each new pixel the old ones it is made of, with their shares. */
function weightsOf(from: number, to: number): [index: number, share: number][][] {
  const step = from / to;
  const reach = Math.max(1, step);
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * step - 0.5;
    const taps: [number, number][] = [];
    for (let j = Math.max(0, Math.ceil(center - reach)); j <= Math.min(from - 1, Math.floor(center + reach)); j++) {
      const weight = 1 - Math.abs(j - center) / reach;
      if (weight > 0) taps.push([j, weight]);
    }
    const sum = taps.reduce((total, [, weight]) => total + weight, 0);
    return taps.map(([j, weight]) => [j, weight / sum]);
  });
}
