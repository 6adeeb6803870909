/** One set of images with boxes, written as a COCO folder or as a VOC tree. */
import type { TaskFolder } from './image-suite-task.ts';

export interface SceneObject {
  /** Index into the vocabulary. */
  readonly label: number;
  /** [x, y, width, height], whole pixels from 0. */
  readonly box: readonly [number, number, number, number];
  /** Pixels that can be seen. */
  readonly area: number;
  /** So little of it can be seen that finding it does not count: `difficult` in VOC, a crowd in COCO. */
  readonly isDifficult: boolean;
}

export interface Scene {
  /** File name without its ending, unique over the splits. */
  readonly id: string;
  readonly split: string;
  readonly width: number;
  readonly height: number;
  readonly jpeg: Uint8Array;
  readonly objects: readonly SceneObject[];
}

export type DetectionLayout = 'coco' | 'voc';

/** @returns number of images */
export function writeDetection(
  layout: DetectionLayout,
  scenes: readonly Scene[],
  vocabulary: readonly string[],
  to: TaskFolder,
): number {
  const splits = [...new Set(scenes.map(({ split }) => split))];
  for (const split of splits) {
    const own = scenes.filter((scene) => scene.split === split);
    if (layout === 'coco') writeCoco(split, own, vocabulary, to);
    else writeVoc(split, own, vocabulary, to);
  }
  return scenes.length;
}

/** `annotations/instances_<split>.json`, `<split>/<id>.jpg`; ids from 1, categories in the order of the vocabulary. */
function writeCoco(split: string, scenes: readonly Scene[], vocabulary: readonly string[], to: TaskFolder): void {
  const annotations = scenes
    .flatMap(({ objects }, i) => objects.map((object) => ({ object, image: i + 1 })))
    .map(({ object: { label, box, area, isDifficult }, image }, i) => ({
      id: i + 1,
      image_id: image,
      category_id: label + 1,
      bbox: box,
      area,
      iscrowd: isDifficult ? 1 : 0,
    }));
  const file = {
    images: scenes.map(({ id, width, height }, i) => ({ id: i + 1, width, height, file_name: `${id}.jpg` })),
    annotations,
    categories: vocabulary.map((name, i) => ({ id: i + 1, name })),
  };
  to.write(`annotations/instances_${split}.json`, `${JSON.stringify(file)}\n`);
  for (const { id, jpeg } of scenes) to.write(`${split}/${id}.jpg`, jpeg);
}

/** The devkit's tree of one year; `trainval` holds train and valid. */
function writeVoc(split: string, scenes: readonly Scene[], vocabulary: readonly string[], to: TaskFolder): void {
  const main = 'ImageSets/Main';
  to.write(`${main}/${split}.txt`, scenes.map(({ id }) => `${id}\n`).join(''));
  vocabulary.forEach((name, label) => {
    const lines = scenes.map(({ id, objects }) => {
      const own = objects.filter((object) => object.label === label);
      const flag = own.length === 0 ? '-1' : own.every(({ isDifficult }) => isDifficult) ? ' 0' : ' 1';
      return `${id} ${flag}\n`;
    });
    to.write(`${main}/${name}_${split}.txt`, lines.join(''));
  });
  for (const scene of scenes) {
    to.write(`Annotations/${scene.id}.xml`, annotationXml(scene, vocabulary));
    to.write(`JPEGImages/${scene.id}.jpg`, scene.jpeg);
  }
}

/** Corners count from 1, ends included. */
function annotationXml({ id, width, height, objects }: Scene, vocabulary: readonly string[]): string {
  const parts = objects.map(
    ({ label, box: [x, y, w, h], isDifficult }) =>
      `  <object>\n    <name>${vocabulary[label]!}</name>\n    <pose>Unspecified</pose>\n    <truncated>0</truncated>\n` +
      `    <difficult>${isDifficult ? 1 : 0}</difficult>\n    <bndbox><xmin>${x + 1}</xmin><ymin>${y + 1}</ymin>` +
      `<xmax>${x + w}</xmax><ymax>${y + h}</ymax></bndbox>\n  </object>\n`,
  );
  return (
    `<annotation>\n  <filename>${id}.jpg</filename>\n  <size><width>${width}</width><height>${height}</height>` +
    `<depth>3</depth></size>\n  <segmented>0</segmented>\n${parts.join('')}</annotation>\n`
  );
}
