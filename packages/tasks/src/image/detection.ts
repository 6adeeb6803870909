/** An image task as the detection probe takes it: images to train on, images to test, and the truth its results are scored by. */
import { DataError, type ImageTask, type TaskImage } from '@unlabel/core';
import { createGroundTruth, type CocoGroundTruth, type VocObject } from '@unlabel/probes';
import type { CocoTask } from './coco.ts';
import { imageSplits } from './evaluation.ts';
import { vocTruthOf } from './voc-detections.ts';
import type { VocTask } from './voc.ts';

export interface SplitImage {
  /** The task's own split, for `ImageTask.readImage`. */
  readonly split: string;
  readonly image: TaskImage;
}

export interface DetectionSplits {
  /** All images that are not tested: nothing is selected, so validation images train too. */
  readonly train: readonly SplitImage[];
  readonly test: readonly SplitImage[];
}

/**
 * @throws DataError for a task without boxes, without splits to train on and to test, or in folds
 */
export function detectionSplits(task: ImageTask): DetectionSplits {
  if (!task.hasBoxes) throw new DataError(`${task.dir}: has no boxes to detect; its images have labels only`);
  const { folds, splits, origin } = imageSplits(task);
  if (folds.length !== 1) throw new DataError(`${task.dir}: expected splits to train on and to test, found folds`);
  const { train, valid, test } = folds[0]!;
  const of = (names: readonly string[]): SplitImage[] =>
    names.flatMap((name) => splits.get(name)!.map((image) => ({ split: origin(name), image })));
  const [trained, tested] = [of([...train, ...valid]), of(test)];
  const lost = [...trained, ...tested].find(({ image }) => image.objects === undefined);
  if (lost)
    throw new DataError(`${task.dir}: ${lost.image.id} of ${lost.split} has no annotation, so its boxes are not known`);
  return { train: trained, test: tested };
}

/** Ground truth of test images in their order, for `evaluateCoco`: ids and categories are the file's, annotations are numbered from 1. */
export function cocoTruthOf(task: CocoTask, test: readonly SplitImage[]): CocoGroundTruth {
  const builder = createGroundTruth({ withMasks: false });
  const { categories } = [...task.truths.values()][0]!;
  for (const category of categories) builder.addCategory(category);
  let id = 0;
  for (const { image } of test) {
    builder.addImage({ id: Number(image.id), width: image.width, height: image.height, file_name: image.file });
    for (const { box, area, label, isCrowd } of image.objects ?? [])
      builder.addAnnotation({
        id: ++id,
        image_id: Number(image.id),
        category_id: categories[label]!.id,
        bbox: [...box],
        area,
        iscrowd: isCrowd ? 1 : 0,
      });
  }
  return builder.finish();
}

/** Objects of test images in their order, for `evaluateVoc`. */
export function vocTruthOfImages(
  task: VocTask,
  test: readonly SplitImage[],
): ReadonlyMap<string, readonly VocObject[]> {
  const truths = new Map([...new Set(test.map(({ split }) => split))].map((split) => [split, vocTruthOf(task, split)]));
  return new Map(test.map(({ split, image }) => [image.id, truths.get(split)!.get(image.id)!]));
}
