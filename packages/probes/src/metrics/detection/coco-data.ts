/**
 * COCO ground truth and detections as columns, built record by record so that a file of any size can be streamed in.
 * Rules for input that pycocotools takes in silence: duplicate ids, unknown images and unknown categories of ground truth are
 * errors; detections of unknown categories are left out as it does, and counted in a note.
 */
import { DataError } from '@unlabel/core';
import { createColumn } from './column.ts';
import { rleArea, rleBox, type Rle } from './rle.ts';
import { maskOf, maskOfRuns, parseSegmentation, type Segmentation } from './segmentation.ts';

export interface CocoImage {
  readonly id: number;
  /** Pixels; needed for masks only, then checked. */
  readonly width: number;
  readonly height: number;
  readonly fileName?: string | undefined;
}

export interface CocoCategory {
  readonly id: number;
  readonly name: string;
}

/** Columns of n instances; image and category are indices into the ground truth's lists. */
export interface CocoInstances {
  readonly count: number;
  readonly image: Int32Array;
  readonly category: Int32Array;
  /** [n, 4] x, y, width, height; 0-based. */
  readonly boxes: Float64Array;
  /** Pixels²: as the file states it for ground truth. */
  readonly areas: Float64Array;
  /** Mask of an instance, made when asked for. */
  mask(i: number): Rle;
}

export interface CocoObjects extends CocoInstances {
  readonly ids: Float64Array;
  readonly isCrowd: Uint8Array;
}

export interface CocoGroundTruth {
  /** Ascending by id, as are the categories. */
  readonly images: readonly CocoImage[];
  readonly categories: readonly CocoCategory[];
  readonly objects: CocoObjects;
  readonly notes: readonly string[];
}

export interface CocoDetections extends CocoInstances {
  readonly scores: Float64Array;
  readonly notes: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown, where: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new DataError(`${where}: expected an object`);
  return value as Fields;
}

function numberIn(fields: Fields, key: string, where: string): number {
  const value = fields[key];
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new DataError(`${where}: expected a finite number as ${key}, found ${JSON.stringify(value)}`);
  return value;
}

function boxIn(value: unknown, where: string): readonly number[] {
  const isBox = Array.isArray(value) && value.length === 4 && value.every((n) => Number.isFinite(n));
  if (!isBox)
    throw new DataError(
      `${where}: expected bbox [x, y, width, height] of finite numbers, found ${JSON.stringify(value)?.slice(0, 60)}`,
    );
  return value as number[];
}

/** Rows of a list with unique ids, ascending, and the index of each id. */
function sortById<T extends { readonly id: number }>(rows: readonly T[], what: string): [T[], Map<number, number>] {
  const sorted = rows.toSorted((a, b) => a.id - b.id);
  const index = new Map<number, number>();
  sorted.forEach(({ id }, i) => {
    if (index.has(id)) throw new DataError(`${what} id ${id} is there more than once`);
    index.set(id, i);
  });
  return [sorted, index];
}

export interface GroundTruthBuilder {
  addImage(value: unknown): void;
  addCategory(value: unknown): void;
  addAnnotation(value: unknown): void;
  /** @throws DataError for repeated ids, and annotations of images or categories that are not listed */
  finish(): CocoGroundTruth;
}

/** Takes the records of an instances file in any order. Segmentations are kept only with `withMasks`. */
export function createGroundTruth({ withMasks }: { readonly withMasks: boolean }): GroundTruthBuilder {
  const images: CocoImage[] = [];
  const categories: CocoCategory[] = [];
  const [ids, imageIds, categoryIds] = [createColumn(), createColumn(), createColumn()];
  const [boxes, areas, crowds] = [createColumn(), createColumn(), createColumn()];
  const segmentations: Segmentation[] = [];
  return {
    addImage(value) {
      const where = `images[${images.length}]`;
      const image = fieldsOf(value, where);
      const [width, height] = [image['width'], image['height']].map((side) => (typeof side === 'number' ? side : NaN));
      const fileName = typeof image['file_name'] === 'string' ? image['file_name'] : undefined;
      images.push({ id: numberIn(image, 'id', where), width: width!, height: height!, fileName });
    },
    addCategory(value) {
      const where = `categories[${categories.length}]`;
      const category = fieldsOf(value, where);
      const id = numberIn(category, 'id', where);
      categories.push({ id, name: typeof category['name'] === 'string' ? category['name'] : String(id) });
    },
    addAnnotation(value) {
      const row = `annotations[${ids.length}]`;
      const annotation = fieldsOf(value, row);
      const id = numberIn(annotation, 'id', row);
      const where = `annotation ${id}`;
      const box = boxIn(annotation['bbox'], where);
      const crowd = annotation['iscrowd'] ?? 0;
      if (crowd !== 0 && crowd !== 1 && typeof crowd !== 'boolean')
        throw new DataError(`${where}: expected 0 or 1 as iscrowd, found ${JSON.stringify(crowd)}`);
      if (box[2]! < 0 || box[3]! < 0) throw new DataError(`${where}: its bbox has a negative width or height`);
      if (withMasks) segmentations.push(parseSegmentation(annotation['segmentation'], where));
      imageIds.push(numberIn(annotation, 'image_id', where));
      categoryIds.push(numberIn(annotation, 'category_id', where));
      areas.push(numberIn(annotation, 'area', where));
      ids.push(id);
      crowds.push(Number(crowd));
      for (const side of box) boxes.push(side);
    },
    finish() {
      const [sortedImages, imageIndex] = sortById(images, 'image');
      const [sortedCategories, categoryIndex] = sortById(categories, 'category');
      const idColumn = ids.toFloat64();
      checkUnique(idColumn);
      const lookUp = (column: Float64Array, index: Map<number, number>, what: string): Int32Array =>
        Int32Array.from(column, (id, i) => {
          const at = index.get(id);
          if (at === undefined) throw new DataError(`annotation ${idColumn[i]}: its ${what} ${id} is not listed`);
          return at;
        });
      const image = lookUp(imageIds.toFloat64(), imageIndex, 'image_id');
      const objects: CocoObjects = {
        count: ids.length,
        ids: idColumn,
        image,
        category: lookUp(categoryIds.toFloat64(), categoryIndex, 'category_id'),
        boxes: boxes.toFloat64(),
        areas: areas.toFloat64(),
        isCrowd: Uint8Array.from(crowds.toFloat64()),
        mask: (i) => maskIn(segmentations[i], sortedImages[image[i]!]!, `annotation ${idColumn[i]}`),
      };
      return {
        images: sortedImages,
        categories: sortedCategories,
        objects,
        notes: groundTruthNotes(objects, sortedImages),
      };
    },
  };
}

function checkUnique(ids: Float64Array): void {
  const seen = new Set<number>();
  for (const id of ids) {
    if (seen.has(id)) throw new DataError(`annotation id ${id} is there more than once; ids must be unique`);
    seen.add(id);
  }
}

/** What COCOeval counts in silence. */
function groundTruthNotes({ boxes, image, count }: CocoObjects, images: readonly CocoImage[]): string[] {
  let [flat, outside] = [0, 0];
  for (let i = 0; i < count; i++) {
    const [x, y, w, h] = boxes.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
    const { width, height } = images[image[i]!]!; // not a number where the file does not say: then nothing is outside
    if (w === 0 || h === 0) flat++;
    else if (x >= width || y >= height || x + w <= 0 || y + h <= 0) outside++;
  }
  const notes: string[] = [];
  if (flat > 0)
    notes.push(`${flat} objects have a box without area: by boxes they count as missed, whatever is detected`);
  if (outside > 0)
    notes.push(`${outside} objects have a box outside of their image: they count like any other, as COCOeval has it`);
  return notes;
}

function maskIn(segmentation: Segmentation | undefined, image: CocoImage, where: string): Rle {
  if (segmentation === undefined) throw new DataError(`${where}: it was read without its mask`);
  return maskOf(segmentation, image.height, image.width, where);
}

export interface DetectionsBuilder {
  add(value: unknown): void;
  finish(): CocoDetections;
}

/**
 * Takes the records of a results file in order. As pycocotools' `loadRes`: when the first has a bbox, areas are width ·
 * height; otherwise area and bbox come from the masks; without a segmentation the mask is the box's.
 */
export function createDetections(
  { images, categories }: Pick<CocoGroundTruth, 'images' | 'categories'>,
  { withMasks }: { readonly withMasks: boolean },
): DetectionsBuilder {
  const imageIndex = new Map(images.map(({ id }, i) => [id, i]));
  const categoryIndex = new Map(categories.map(({ id }, i) => [id, i]));
  const [image, category, scores] = [createColumn(), createColumn(), createColumn()];
  const [boxes, areas] = [createColumn(), createColumn()];
  const segmentations: (Segmentation | undefined)[] = [];
  const unknown = new Map<number, number>();
  let rows = 0;
  let negative = 0;
  let hasBoxes = true;
  return {
    add(value) {
      const where = `results[${rows}]`;
      const row = fieldsOf(value, where);
      const box = row['bbox'];
      const isAbsent = box === undefined || box === null || (Array.isArray(box) && box.length === 0);
      if (rows++ === 0) hasBoxes = !isAbsent;
      const at = imageIndex.get(numberIn(row, 'image_id', where));
      if (at === undefined)
        throw new DataError(`${where}: its image_id ${String(row['image_id'])} is not an image of the ground truth`);
      const categoryId = numberIn(row, 'category_id', where);
      const score = numberIn(row, 'score', where);
      if (!hasBoxes && !withMasks && isAbsent && row['segmentation'] === undefined)
        throw new DataError(`${where}: it has neither bbox nor segmentation`);
      const kept = row['segmentation'];
      const segmentation =
        kept !== undefined && (withMasks || !hasBoxes || isAbsent) ? parseSegmentation(kept, where) : undefined;
      const mask = hasBoxes ? undefined : segmentation && maskOfRuns(segmentation, where);
      if (!hasBoxes && mask === undefined)
        throw new DataError(
          `${where}: expected a segmentation { size, counts } like the first result, which has no bbox`,
        );
      const xywh = isAbsent && mask !== undefined ? rleBox(mask) : boxIn(box, where);
      const k = categoryIndex.get(categoryId);
      if (k === undefined) {
        unknown.set(categoryId, (unknown.get(categoryId) ?? 0) + 1);
        return;
      }
      if (xywh[2]! < 0 || xywh[3]! < 0) negative++;
      image.push(at);
      category.push(k);
      scores.push(score);
      areas.push(mask === undefined ? xywh[2]! * xywh[3]! : rleArea(mask));
      for (const side of xywh) boxes.push(side);
      if (withMasks) segmentations.push(segmentation);
    },
    finish() {
      const imageColumn = Int32Array.from(image.toFloat64());
      const boxColumn = boxes.toFloat64();
      return {
        count: scores.length,
        image: imageColumn,
        category: Int32Array.from(category.toFloat64()),
        scores: scores.toFloat64(),
        boxes: boxColumn,
        areas: areas.toFloat64(),
        mask: (i) => {
          const [x, y, w, h] = boxColumn.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
          const corners = Float64Array.of(x, y, x, y + h, x + w, y + h, x + w, y);
          const segmentation = segmentations[i] ?? { kind: 'polygons', parts: [corners] };
          return maskIn(segmentation, images[imageColumn[i]!]!, `detection ${i}`);
        },
        notes: detectionNotes(unknown, negative),
      };
    },
  };
}

function detectionNotes(unknown: ReadonlyMap<number, number>, negative: number): string[] {
  const notes: string[] = [];
  const left = [...unknown.values()].reduce((sum, n) => sum + n, 0);
  const ids = [...unknown.keys()].slice(0, 5).join(', ');
  if (left > 0)
    notes.push(
      `${left} detections are of categories that the ground truth does not list (${ids}): left out, as COCOeval does`,
    );
  if (negative > 0) notes.push(`${negative} detections have a negative width or height: they match nothing`);
  return notes;
}
