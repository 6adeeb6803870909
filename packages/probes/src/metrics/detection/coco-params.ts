/** What is evaluated: thresholds, areas, numbers of detections. The defaults are COCO's. */
import { ConfigError } from '@unlabel/core';
import { linspace } from './sums.ts';

export interface AreaRange {
  readonly name: string;
  /** Pixels², both ends included. */
  readonly low: number;
  readonly high: number;
}

export interface CocoParams {
  readonly iou: 'bbox' | 'segm';
  /** Ascending, at most 31. */
  readonly iouThresholds: readonly number[];
  /** Ascending. */
  readonly recallThresholds: readonly number[];
  /** Most detections of an image and category, ascending; more than the last are never looked at. */
  readonly maxDetections: readonly number[];
  /** The first is the one without bounds. */
  readonly areaRanges: readonly AreaRange[];
  /** False pools all categories into one. */
  readonly useCategories: boolean;
  /**
   * COCOeval keeps the id of the object that a detection matched and reads 0 as none: a detection that matches the object with
   * annotation id 0 counts as a false positive. True gives its numbers, false the right ones. Without an id 0 they are the same.
   */
  readonly idZeroIsNoMatch: boolean;
}

export const cocoDefaults: CocoParams = Object.freeze({
  iou: 'bbox',
  iouThresholds: linspace(0.5, 0.95, 10),
  recallThresholds: linspace(0, 1, 101),
  maxDetections: [1, 10, 100],
  areaRanges: [
    { name: 'all', low: 0, high: 1e10 },
    { name: 'small', low: 0, high: 32 ** 2 },
    { name: 'medium', low: 32 ** 2, high: 96 ** 2 },
    { name: 'large', low: 96 ** 2, high: 1e10 },
  ],
  useCategories: true,
  idZeroIsNoMatch: true,
});

/** @throws ConfigError naming the parameter */
export function checkParams(params: CocoParams): void {
  const { iouThresholds, recallThresholds, maxDetections, areaRanges } = params;
  const isAscending = (values: readonly number[]): boolean =>
    values.length > 0 && values.every((x, i) => Number.isFinite(x) && (i === 0 || x > values[i - 1]!));
  if (!isAscending(iouThresholds) || iouThresholds.length > 31)
    throw new ConfigError(`iouThresholds: expected 1 to 31 ascending numbers, found [${iouThresholds.join(', ')}]`);
  if (!isAscending(recallThresholds)) throw new ConfigError('recallThresholds: expected ascending numbers');
  if (!isAscending(maxDetections) || !maxDetections.every((m) => Number.isInteger(m) && m > 0))
    throw new ConfigError(`maxDetections: expected ascending counts, found [${maxDetections.join(', ')}]`);
  if (areaRanges.length === 0) throw new ConfigError('areaRanges: expected at least one');
}
