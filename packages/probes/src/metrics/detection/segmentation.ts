/** A `segmentation` of COCO json: polygons, runs or the text of runs, checked and made a mask when it is needed. */
import { DataError } from '@unlabel/core';
import { rleFromPolygon } from './polygon.ts';
import { decodeRle, rleFromCounts, rleUnion, type Rle } from './rle.ts';

/** Kept as small as it came: polygons as float64, RLE text as text. */
export type Segmentation =
  | { readonly kind: 'polygons'; readonly parts: readonly Float64Array[] }
  | { readonly kind: 'runs'; readonly height: number; readonly width: number; readonly runs: string | Uint32Array };

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((n) => typeof n === 'number' && Number.isFinite(n));

/**
 * Reads a segmentation; `where` names it in errors.
 * @throws DataError for anything but a list of polygons or an object of `size` and `counts`
 */
export function parseSegmentation(value: unknown, where: string): Segmentation {
  if (Array.isArray(value)) {
    if (value.length === 0) throw new DataError(`${where}: its segmentation is an empty list, expected polygons`);
    const parts = value.map((part: unknown, i) => {
      if (!isNumbers(part)) throw new DataError(`${where}: part ${i} of its segmentation is no list of finite numbers`);
      // Of later parts pycocotools draws those of two points too; of the first it does not.
      if (part.length < (i === 0 ? 6 : 4) || part.length % 2 !== 0)
        throw new DataError(
          `${where}: part ${i} of its segmentation has ${part.length} numbers, expected x and y of at least three points`,
        );
      return Float64Array.from(part);
    });
    return { kind: 'polygons', parts };
  }
  if (typeof value === 'object' && value !== null && 'size' in value && 'counts' in value) {
    const { size, counts } = value;
    if (isNumbers(size) && size.length === 2) {
      const [height, width] = [size[0]!, size[1]!];
      if (typeof counts === 'string') return { kind: 'runs', height, width, runs: counts };
      if (isNumbers(counts)) {
        const { counts: runs } = rleFromCounts(counts, height, width, where);
        return { kind: 'runs', height, width, runs };
      }
    }
  }
  throw new DataError(`${where}: expected a segmentation of polygons, or { size: [height, width], counts }`);
}

/**
 * The mask in an image of `height` × `width` pixels: the union of an object's polygons, or its runs.
 * @throws DataError when the runs are damaged or of another image's size
 */
export function maskOf(segmentation: Segmentation, height: number, width: number, where: string): Rle {
  if (segmentation.kind === 'polygons') {
    return rleUnion(
      segmentation.parts.map((part) => rleFromPolygon(part, height, width, where)),
      where,
    );
  }
  const { runs } = segmentation;
  if (segmentation.height !== height || segmentation.width !== width) {
    throw new DataError(
      `${where}: its mask has ${segmentation.height} × ${segmentation.width} pixels, its image ${height} × ${width}`,
    );
  }
  return typeof runs === 'string' ? decodeRle(runs, height, width, where) : { height, width, counts: runs };
}

/** The mask of runs in their own stated size; undefined for polygons, which have none. */
export const maskOfRuns = (segmentation: Segmentation, where: string): Rle | undefined =>
  segmentation.kind === 'runs' ? maskOf(segmentation, segmentation.height, segmentation.width, where) : undefined;
