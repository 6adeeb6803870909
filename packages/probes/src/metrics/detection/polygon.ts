/**
 * Polygons and boxes to run-length masks, pixel for pixel as cocodataset/cocoapi `common/maskApi.c` (`rleFrPoly`,
 * `rleFrBbox`): the outline is drawn on a grid 5 times as fine, its crossings of pixel columns sorted, and the inside is what
 * an odd number of crossings precedes. Overlaps of an outline with itself therefore toggle.
 */
import { DataError } from '@unlabel/core';
import { checkMaskSize, type Rle } from './rle.ts';

const SCALE = 5;
/** Points of an outline on the fine grid beyond which coordinates are taken for damaged (some 3000 times round an 8K image). */
const maxPoints = 2 ** 25;

/**
 * Mask of one outline [x0, y0, x1, y1, …] in pixels, 0-based.
 * @throws DataError for an odd or empty list, or coordinates that are not finite or beyond any image
 */
export function rleFromPolygon(polygon: ArrayLike<number>, height: number, width: number, where = 'polygon'): Rle {
  checkMaskSize(height, width, where);
  if (polygon.length < 2 || polygon.length % 2 !== 0)
    throw new DataError(`${where}: expected pairs of coordinates, found ${polygon.length} numbers`);
  return encodeCrossings(columnCrossings(drawOutline(polygon, where), height, width), height, width);
}

/** Mask of a box [x, y, width, height], drawn as the polygon of its corners. */
export function rleFromBox(box: ArrayLike<number>, height: number, width: number, where = 'box'): Rle {
  const [x, y, right, bottom] = [box[0]!, box[1]!, box[0]! + box[2]!, box[1]! + box[3]!];
  return rleFromPolygon([x, y, x, bottom, right, bottom, right, y], height, width, where);
}

interface Outline {
  /** Column and row of each point on the fine grid, in the outline's order. */
  readonly u: Int32Array;
  readonly v: Int32Array;
}

function drawOutline(polygon: ArrayLike<number>, where: string): Outline {
  const k = polygon.length / 2;
  const fine = Int32Array.from({ length: 2 * k + 2 }, (_, i) => {
    const value = Math.trunc(SCALE * polygon[i % (2 * k)]! + 0.5);
    if (!(Math.abs(value) < 2 ** 30))
      throw new DataError(`${where}: coordinate ${i} is ${polygon[i % (2 * k)]}, which no image has`);
    return value;
  });
  let points = 0;
  for (let j = 0; j < 2 * k; j += 2) {
    points += Math.max(Math.abs(fine[j]! - fine[j + 2]!), Math.abs(fine[j + 1]! - fine[j + 3]!)) + 1;
  }
  if (points > maxPoints)
    throw new DataError(`${where}: its outline is ${points / SCALE} pixels long, which no image has`);
  const [u, v] = [new Int32Array(points), new Int32Array(points)];
  let m = 0;
  for (let j = 0; j < 2 * k; j += 2) {
    let [xs, ys, xe, ye] = [fine[j]!, fine[j + 1]!, fine[j + 2]!, fine[j + 3]!];
    const [dx, dy] = [Math.abs(xe - xs), Math.abs(ye - ys)];
    const isFlat = dx >= dy;
    const isFlipped = isFlat ? xs > xe : ys > ye;
    if (isFlipped) [xs, ys, xe, ye] = [xe, ye, xs, ys];
    const slope = isFlat ? (ye - ys) / dx : (xe - xs) / dy; // 0/0 for a point: its column equals its neighbours', so unused
    const length = isFlat ? dx : dy;
    for (let d = 0; d <= length; d++, m++) {
      const t = isFlipped ? length - d : d;
      u[m] = isFlat ? t + xs : Math.trunc(xs + slope * t + 0.5);
      v[m] = isFlat ? Math.trunc(ys + slope * t + 0.5) : t + ys;
    }
  }
  return { u, v };
}

/** Positions (column-major) where the outline crosses the middle of a pixel column, ascending, with the image's end. */
function columnCrossings({ u, v }: Outline, height: number, width: number): Uint32Array {
  const positions = new Uint32Array(u.length + 1);
  let m = 0;
  for (let j = 1; j < u.length; j++) {
    if (u[j] === u[j - 1]) continue;
    const x = ((u[j]! < u[j - 1]! ? u[j]! : u[j]! - 1) + 0.5) / SCALE - 0.5;
    if (Math.floor(x) !== x || x < 0 || x > width - 1) continue;
    const y = (Math.min(v[j]!, v[j - 1]!) + 0.5) / SCALE - 0.5;
    positions[m++] = x * height + Math.ceil(Math.min(Math.max(y, 0), height));
  }
  positions[m++] = height * width;
  return positions.subarray(0, m).sort();
}

/** Differences of the positions, where a run of 0 joins its neighbours. */
function encodeCrossings(positions: Uint32Array, height: number, width: number): Rle {
  const counts = new Uint32Array(positions.length);
  let m = 0;
  counts[m++] = positions[0]!;
  for (let j = 1; j < positions.length; j++) {
    const run = positions[j]! - positions[j - 1]!;
    if (run > 0) counts[m++] = run;
    else if (++j < positions.length) counts[m - 1]! += positions[j]! - positions[j - 1]!;
  }
  return { height, width, counts: counts.slice(0, m) };
}
