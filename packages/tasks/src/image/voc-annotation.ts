/** One image's annotation of a PASCAL VOC tree (`Annotations/<id>.xml`). */
import { DataError } from '@unlabel/core';
import { childrenOf, parseXml, textOf, type XmlElement } from './xml.ts';

/** Corners [xmin, ymin, xmax, ymax], pixels counted from 1, the last included; a few of 2012 have decimals. */
export type VocCorners = readonly [number, number, number, number];

export interface VocAnnotatedObject {
  readonly name: string;
  readonly box: VocCorners;
  readonly isDifficult: boolean;
  readonly isTruncated: boolean;
  readonly pose: string;
}

export interface VocAnnotation {
  /** Pixels, where the file states them. */
  readonly width: number | undefined;
  readonly height: number | undefined;
  readonly filename: string | undefined;
  readonly isSegmented: boolean;
  readonly objects: readonly VocAnnotatedObject[];
}

/** @throws DataError naming the file and the object that is not as VOC has it */
export function parseVocAnnotation(xml: string, file: string): VocAnnotation {
  const root = parseXml(xml, file);
  if (root.name !== 'annotation') throw new DataError(`${file}: expected <annotation>, found <${root.name}>`);
  const [size] = childrenOf(root, 'size');
  return {
    width: size && sideOf(size, 'width', file),
    height: size && sideOf(size, 'height', file),
    filename: textOf(root, 'filename'),
    isSegmented: textOf(root, 'segmented') === '1',
    objects: childrenOf(root, 'object').map((object, i) => objectOf(object, `${file}: object ${i}`)),
  };
}

/** Some converters write 0 for a size that they did not know. */
function sideOf(size: XmlElement, name: string, file: string): number | undefined {
  const value = numberOf(size, name, file);
  if (!Number.isInteger(value) || value < 0) throw new DataError(`${file}: ${name} is ${value}, expected pixels`);
  return value === 0 ? undefined : value;
}

function objectOf(object: XmlElement, where: string): VocAnnotatedObject {
  const name = textOf(object, 'name');
  if (!name) throw new DataError(`${where} has no name`);
  const boxes = childrenOf(object, 'bndbox');
  if (boxes.length !== 1) throw new DataError(`${where} (${name}) has ${boxes.length} boxes, expected one <bndbox>`);
  const corner = (side: string): number => numberOf(boxes[0]!, side, `${where} (${name})`);
  const box: VocCorners = [corner('xmin'), corner('ymin'), corner('xmax'), corner('ymax')];
  return {
    name,
    box,
    isDifficult: flagOf(object, 'difficult', where),
    isTruncated: flagOf(object, 'truncated', where),
    pose: textOf(object, 'pose') ?? '',
  };
}

function numberOf(element: XmlElement, name: string, where: string): number {
  const text = textOf(element, name);
  if (text === undefined || !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text))
    throw new DataError(`${where}: expected a number as ${name}, found ${JSON.stringify(text)}`);
  return Number(text);
}

function flagOf(object: XmlElement, name: string, where: string): boolean {
  const text = textOf(object, name);
  if (text === undefined || text === '' || text === '0' || text === 'Unspecified') return false;
  if (text === '1') return true;
  throw new DataError(`${where}: expected 0 or 1 as ${name}, found ${JSON.stringify(text)}`);
}

/** What the devkit's pixels are from 0, ends excluded: [x, y, width, height]. */
export const boxOfCorners = ([xmin, ymin, xmax, ymax]: VocCorners): [number, number, number, number] => [
  xmin - 1,
  ymin - 1,
  xmax - xmin + 1,
  ymax - ymin + 1,
];

/**
 * What is wrong with a box in an image of a size. An empty box, or one with nothing in the image, is a fault; one that reaches
 * out is a warning and stays as it is, as in the official tools.
 */
export function boxProblem(
  [x, y, w, h]: readonly number[],
  width: number | undefined,
  height: number | undefined,
): { readonly isFault: boolean; readonly what: string } | undefined {
  const shown = `[${[x, y, w, h].map((side) => Number(side!.toFixed(2))).join(', ')}] (x, y, width, height)`;
  if (w! <= 0 || h! <= 0) return { isFault: true, what: `its box ${shown} has no area` };
  if (width === undefined || height === undefined) return undefined;
  if (x! >= width || y! >= height || x! + w! <= 0 || y! + h! <= 0)
    return { isFault: true, what: `its box ${shown} lies outside of the image of ${width} × ${height}` };
  // Half a pixel is rounding of whoever wrote the file.
  if (x! < -0.5 || y! < -0.5 || x! + w! > width + 0.5 || y! + h! > height + 0.5)
    return { isFault: false, what: `its box ${shown} reaches out of the image of ${width} × ${height}` };
  return undefined;
}
