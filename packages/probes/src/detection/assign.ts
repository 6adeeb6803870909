/**
 * Which box each place of a feature pyramid is trained on, and what it should say: FCOS §3.1–3.2 with center sampling, as
 * torchvision.models.detection.fcos 0.29. Boxes are [x1, y1, x2, y2] in pixels of the network's input.
 *
 * Legend: L places of all levels, M boxes, K classes.
 */
import { DataError } from '@unlabel/core';
import type { DetectionConfig } from './config.ts';

/** Places of all levels, level after level, rows first. */
export interface Places {
  readonly count: number;
  /** Center of each place [L]. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly stride: Float64Array;
  /** Smallest and largest distance to the farthest side of a box that a place is trained on, both excluded [L]. */
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** Places of each level. */
  readonly perLevel: readonly number[];
}

/** A place's center is that of its cell: (i + ½) · stride. */
export function placesOf({
  imageSize,
  strides,
  range,
}: Pick<DetectionConfig, 'imageSize' | 'strides' | 'range'>): Places {
  const perLevel = strides.map((stride) => Math.ceil(imageSize / stride) ** 2);
  const count = perLevel.reduce((sum, n) => sum + n, 0);
  const [x, y, stride, low, high] = Array.from({ length: 5 }, () => new Float64Array(count)) as [
    Float64Array, Float64Array, Float64Array, Float64Array, Float64Array,
  ]; // prettier-ignore
  let at = 0;
  strides.forEach((s, level) => {
    const side = Math.ceil(imageSize / s);
    for (let i = 0; i < side * side; i++, at++) {
      x[at] = ((i % side) + 0.5) * s;
      y[at] = (Math.floor(i / side) + 0.5) * s;
      stride[at] = s;
      low[at] = level === 0 ? 0 : range.lower * s;
      high[at] = level === strides.length - 1 ? Infinity : range.upper * s;
    }
  });
  return { count, x, y, stride, low, high, perLevel };
}

/**
 * Index of the box of each place, −1 for none [L]: the smallest by area of those that the place lies in, that are of its level's
 * sizes, and whose center is nearer than `radius` strides along both axes; of equal ones the first.
 */
export function assignBoxes(places: Places, boxes: ArrayLike<number>, radius: number): Int32Array {
  if (boxes.length % 4 !== 0) throw new DataError(`detection: ${boxes.length} corners are no whole number of boxes`);
  const assigned = new Int32Array(places.count).fill(-1);
  const smallest = new Float64Array(places.count).fill(Infinity);
  for (let m = 0; 4 * m < boxes.length; m++) {
    const [x1, y1, x2, y2] = [boxes[4 * m]!, boxes[4 * m + 1]!, boxes[4 * m + 2]!, boxes[4 * m + 3]!];
    const area = (x2 - x1) * (y2 - y1);
    for (let i = 0; i < places.count; i++) {
      const [x, y] = [places.x[i]!, places.y[i]!];
      const sides = [x - x1, y - y1, x2 - x, y2 - y];
      if (!(Math.min(...sides) > 0) || area >= smallest[i]!) continue;
      const farthest = Math.max(...sides);
      if (farthest <= places.low[i]! || farthest >= places.high[i]!) continue;
      const off = Math.max(Math.abs(x - (x1 + x2) / 2), Math.abs(y - (y1 + y2) / 2));
      if (off >= radius * places.stride[i]!) continue;
      assigned[i] = m;
      smallest[i] = area;
    }
  }
  return assigned;
}

/** An image's boxes and classes. */
export interface LabelledBoxes {
  /** [M, 4] */
  readonly boxes: ArrayLike<number>;
  /** [M] */
  readonly classes: ArrayLike<number>;
}

/** What the places of some images should say, image after image [B, L]. */
export interface DetectionTargets {
  /** 1 for the class of the box [B·L, K]. */
  readonly classes: Float32Array;
  /** [B·L, 4]; of a place without a box, the cell around it: any box, for it does not count. */
  readonly boxes: Float32Array;
  /** √(min(l, r)/max(l, r) · min(t, b)/max(t, b)), Eq. 3 [B·L]; 0 without a box. */
  readonly centerness: Float32Array;
  /** 1 where there is a box [B·L]. */
  readonly isObject: Float32Array;
  readonly objects: number;
}

/** Targets of a batch of images. */
export function targetsOf(
  places: Places,
  images: readonly LabelledBoxes[],
  classCount: number,
  radius: number,
): DetectionTargets {
  const rows = images.length * places.count;
  const targets = {
    classes: new Float32Array(rows * classCount),
    boxes: new Float32Array(rows * 4),
    centerness: new Float32Array(rows),
    isObject: new Float32Array(rows),
    objects: 0,
  };
  images.forEach(({ boxes, classes }, image) => {
    const assigned = assignBoxes(places, boxes, radius);
    for (let i = 0; i < places.count; i++) {
      const row = image * places.count + i;
      const m = assigned[i]!;
      const [x, y, half] = [places.x[i]!, places.y[i]!, places.stride[i]! / 2];
      if (m < 0) {
        targets.boxes.set([x - half, y - half, x + half, y + half], 4 * row);
        continue;
      }
      const box = [0, 1, 2, 3].map((side) => boxes[4 * m + side]!) as [number, number, number, number];
      targets.boxes.set(box, 4 * row);
      targets.classes[row * classCount + classes[m]!] = 1;
      targets.centerness[row] = centernessOf(x, y, box);
      targets.isObject[row] = 1;
      targets.objects++;
    }
  });
  return targets;
}

function centernessOf(x: number, y: number, [x1, y1, x2, y2]: readonly [number, number, number, number]): number {
  const share = (a: number, b: number): number => Math.min(a, b) / Math.max(a, b);
  return Math.sqrt(share(x - x1, x2 - x) * share(y - y1, y2 - y));
}
