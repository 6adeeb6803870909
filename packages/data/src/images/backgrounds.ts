/** Backgrounds of composed scenes: gradients, stripes, cloudy noise, photographs. Exact arithmetic, so the same bytes everywhere. */
import type { Rng } from '@unlabel/core';
import type { RgbImage } from '@unlabel/image';

type Color = readonly [number, number, number];
type Shade = (x: number, y: number, channel: number) => number;

const colorOf = (rng: Rng): Color => [rng.int(256), rng.int(256), rng.int(256)];

/** From one colour to another along a direction. */
function gradient(side: number, rng: Rng): Shade {
  const [from, to] = [colorOf(rng), colorOf(rng)];
  const [dx, dy] = [rng.range(-1, 1), rng.range(-1, 1)];
  const span = (Math.abs(dx) + Math.abs(dy)) * side || 1;
  const start = (dx < 0 ? -dx * side : 0) + (dy < 0 ? -dy * side : 0);
  return (x, y, c) => from[c]! + ((to[c]! - from[c]!) * (dx * x + dy * y + start)) / span;
}

/** Two colours taking turns across a direction. */
function stripes(side: number, rng: Rng): Shade {
  const pair = [colorOf(rng), colorOf(rng)] as const;
  const [dx, dy] = [rng.range(-1, 1), rng.range(-1, 1)];
  const period = rng.range(4, side / 4) * Math.max(Math.abs(dx), Math.abs(dy));
  return (x, y, c) => pair[Math.abs(Math.floor((dx * x + dy * y) / period)) % 2]![c]!;
}

/** A coarse grid of random colours, blended. */
function clouds(side: number, rng: Rng): Shade {
  const cells = 2 + rng.int(14);
  const grid = Array.from({ length: (cells + 1) ** 2 * 3 }, () => rng.int(256));
  return (x, y, c) => {
    const [u, v] = [(x * cells) / side, (y * cells) / side];
    const [i, j] = [Math.floor(u), Math.floor(v)];
    const at = (column: number, row: number): number => grid[(row * (cells + 1) + column) * 3 + c]!;
    const top = at(i, j) * (1 - (u - i)) + at(i + 1, j) * (u - i);
    const bottom = at(i, j + 1) * (1 - (u - i)) + at(i + 1, j + 1) * (u - i);
    return top * (1 - (v - j)) + bottom * (v - j);
  };
}

/** A part of a photograph, turned over now and then. */
function photograph(side: number, { width, height, data }: RgbImage, rng: Rng): Shade {
  const [left, top] = [rng.int(width - side + 1), rng.int(height - side + 1)];
  const isMirrored = rng.chance(0.5);
  return (x, y, c) => data[((top + y) * width + left + (isMirrored ? side - 1 - x : x)) * 3 + c]!;
}

/** RGB [side, side, 3]; `photos` are at least as large. */
export function background(side: number, photos: readonly RgbImage[], rng: Rng): Uint8Array {
  const kind = rng.int(4);
  const shade =
    kind === 3 ? photograph(side, photos[rng.int(photos.length)]!, rng) : [gradient, stripes, clouds][kind]!(side, rng);
  const data = new Uint8Array(side * side * 3);
  for (let y = 0, at = 0; y < side; y++)
    for (let x = 0; x < side; x++) for (let c = 0; c < 3; c++) data[at++] = Math.round(shade(x, y, c));
  return data;
}
