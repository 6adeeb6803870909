/**
 * Run-length masks as COCO stores them: column-major (down a column, then the next), runs alternate background and foreground
 * and start with background, whose first run may be 0. Follows cocodataset/cocoapi `common/maskApi.c`, of which
 * pycocotools 2.0.11 is a build.
 */
import { DataError } from '@unlabel/core';

export interface Rle {
  readonly height: number;
  readonly width: number;
  /** Runs; their sum is height · width. */
  readonly counts: Uint32Array;
}

/** Pixels of a mask beyond which a file is taken for damaged. */
const maxPixels = 2 ** 31;

/** @throws DataError unless both sides are whole numbers above 0 of a size an image can have */
export function checkMaskSize(height: number, width: number, where = 'mask'): void {
  const isSide = (side: number): boolean => Number.isInteger(side) && side > 0;
  if (!isSide(height) || !isSide(width) || height * width > maxPixels) {
    throw new DataError(`${where}: expected a size [height, width] in pixels, found [${height}, ${width}]`);
  }
}

/**
 * A mask from its runs (COCO's uncompressed RLE, as crowds have it).
 * @throws DataError when a run is no count or the runs do not cover the image
 */
export function rleFromCounts(counts: ArrayLike<number>, height: number, width: number, where = 'mask'): Rle {
  checkMaskSize(height, width, where);
  let sum = 0;
  for (let i = 0; i < counts.length; i++) {
    const run = counts[i]!;
    if (!(Number.isInteger(run) && run >= 0)) throw new DataError(`${where}: run ${i} is ${run}, expected a count`);
    sum += run;
  }
  if (sum !== height * width) {
    throw new DataError(
      `${where}: its runs cover ${sum} pixels, the image has ${height} × ${width} = ${height * width}`,
    );
  }
  return { height, width, counts: Uint32Array.from(counts) };
}

/**
 * COCO's text of a mask: each run, less the run two places before from the fourth on, in groups of 5 bits, low first; 0x20
 * marks that more follow, 48 is added to make a character.
 */
export function encodeRle({ counts }: Rle): string {
  let text = '';
  for (let i = 0; i < counts.length; i++) {
    let rest = counts[i]! - (i > 2 ? counts[i - 2]! : 0);
    for (let isMore = true; isMore;) {
      let group = rest & 0x1f;
      rest >>= 5;
      isMore = group & 0x10 ? rest !== -1 : rest !== 0;
      if (isMore) group |= 0x20;
      text += String.fromCharCode(group + 48);
    }
  }
  return text;
}

/**
 * The inverse of `encodeRle`.
 * @throws DataError when the text is damaged or its runs do not cover the image
 */
export function decodeRle(text: string, height: number, width: number, where = 'mask'): Rle {
  checkMaskSize(height, width, where);
  const total = height * width;
  const counts = new Uint32Array(text.length);
  let m = 0;
  let sum = 0;
  for (let at = 0; at < text.length;) {
    let run = 0;
    for (let shift = 0; ; shift += 5) {
      const group = at < text.length ? text.charCodeAt(at++) - 48 : -1;
      if (!(group >= 0 && group < 64) || shift > 30)
        throw new DataError(`${where}: its RLE text is damaged at character ${at - 1}`);
      run |= (group & 0x1f) << shift;
      if (group & 0x20) continue;
      if (group & 0x10 && shift < 27) run |= -1 << (shift + 5);
      break;
    }
    if (m > 2) run += counts[m - 2]!;
    sum += run;
    if (run < 0 || sum > total) break;
    counts[m++] = run;
  }
  if (sum !== total || m === 0)
    throw new DataError(`${where}: its RLE text does not describe a mask of ${height} × ${width} pixels`);
  return { height, width, counts: counts.slice(0, m) };
}

/** Foreground pixels. */
export function rleArea({ counts }: Rle): number {
  let area = 0;
  for (let i = 1; i < counts.length; i += 2) area += counts[i]!;
  return area;
}

/**
 * Tightest box [x, y, width, height] written at `4·i` of `out`. A foreground run over a column's border makes the box as high
 * as the image; an empty mask gives zeros.
 */
export function rleBoxInto({ height: h, width: w, counts }: Rle, out: Float64Array, i: number): void {
  const m = counts.length - (counts.length % 2);
  let [left, top, right, bottom] = [w, h, 0, 0];
  let end = 0;
  let startColumn = 0;
  for (let j = 0; j < m; j++) {
    end += counts[j]!;
    const at = end - (j % 2);
    const y = at % h;
    const x = (at - y) / h;
    if (j % 2 === 0) startColumn = x;
    else if (startColumn < x) [top, bottom] = [0, h - 1];
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < top) top = y;
    if (y > bottom) bottom = y;
  }
  if (m === 0) out.fill(0, 4 * i, 4 * i + 4);
  else out.set([left, top, right - left + 1, bottom - top + 1], 4 * i);
}

/** Tightest box [x, y, width, height]. */
export function rleBox(mask: Rle): [number, number, number, number] {
  const box = new Float64Array(4);
  rleBoxInto(mask, box, 0);
  return [box[0]!, box[1]!, box[2]!, box[3]!];
}

/**
 * Union of masks of one size (the parts of an object).
 * @throws DataError when there is none, or their sizes differ
 */
export function rleUnion(masks: readonly Rle[], where = 'mask'): Rle {
  const [first, ...others] = masks;
  if (first === undefined) throw new DataError(`${where}: expected at least one part`);
  return others.reduce((union, other) => uniteTwo(union, other, where), first);
}

function uniteTwo(a: Rle, b: Rle, where: string): Rle {
  checkSameSize(a, b, where);
  const counts = new Uint32Array(a.counts.length + b.counts.length + 1);
  let m = 0;
  let [restA, restB] = [a.counts[0]!, b.counts[0]!];
  let [i, j] = [1, 1];
  let [inA, inB, inside] = [false, false, false];
  let run = 0;
  for (let rest = 1; rest > 0;) {
    const step = Math.min(restA, restB);
    run += step;
    restA -= step;
    if (restA === 0 && i < a.counts.length) {
      restA = a.counts[i++]!;
      inA = !inA;
    }
    restB -= step;
    if (restB === 0 && j < b.counts.length) {
      restB = b.counts[j++]!;
      inB = !inB;
    }
    rest = restA + restB;
    const before = inside;
    inside = inA || inB;
    if (inside !== before || rest === 0) {
      counts[m++] = run;
      run = 0;
    }
  }
  return { height: a.height, width: a.width, counts: counts.slice(0, m) };
}

/** @throws DataError naming both sizes */
export function checkSameSize(a: Rle, b: Rle, where: string): void {
  if (a.height === b.height && a.width === b.width) return;
  throw new DataError(
    `${where}: masks of ${a.height} × ${a.width} and ${b.height} × ${b.width} pixels cannot be compared`,
  );
}

/** Runs of a mask [height, width] row-major, any value but 0 being foreground. */
export function rleFromMask(mask: ArrayLike<number>, height: number, width: number): Rle {
  checkMaskSize(height, width);
  if (mask.length !== height * width)
    throw new DataError(`mask: expected ${height} × ${width} = ${height * width} pixels, found ${mask.length}`);
  const counts: number[] = [];
  let isForeground = false;
  let run = 0;
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      if ((mask[y * width + x] !== 0) !== isForeground) {
        counts.push(run);
        run = 0;
        isForeground = !isForeground;
      }
      run++;
    }
  }
  counts.push(run);
  return { height, width, counts: Uint32Array.from(counts) };
}

/** The mask [height, width] row-major of zeros and ones. */
export function maskFromRle({ height, width, counts }: Rle): Uint8Array {
  const mask = new Uint8Array(height * width);
  let at = 0;
  counts.forEach((run, i) => {
    for (const end = at + run; at < end; at++)
      if (i % 2 === 1) mask[(at % height) * width + Math.floor(at / height)] = 1;
  });
  return mask;
}
