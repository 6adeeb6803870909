import { expect, test } from 'vitest';
import type { ImageTask } from '@unlabel/core';
import { cocoTruthOf, detectionSplits, vocTruthOfImages } from './detection.ts';
import type { CocoTask } from './coco.ts';
import { openImageTask } from './open-image-task.ts';
import { cocoInstances, cocoTree, folderTree, tinyJpeg, vocTree, writeTree } from './testing.ts';
import { vocTruthOf } from './voc-detections.ts';
import type { VocTask } from './voc.ts';

test('the truth of COCO images is that of their file, in its order', async () => {
  const dir = await writeTree('mini', {
    ...cocoTree(),
    'annotations/instances_train.json': JSON.stringify(cocoInstances()),
    'train/a.jpg': tinyJpeg('a, to train on'),
    'train/b.jpg': tinyJpeg('b, to train on'),
  });
  const task = (await openImageTask(dir)) as CocoTask;
  const { train, test: tested } = detectionSplits(task);
  expect(train.map(({ split, image }) => [split, image.id])).toEqual([['train', '3'], ['train', '7']]); // prettier-ignore
  const [truth, own] = [cocoTruthOf(task, tested), task.truths.get('val')!];
  expect(truth.categories).toEqual(own.categories);
  expect(truth.images.map(({ id }) => id)).toEqual([3, 7]);
  for (const key of ['image', 'category', 'boxes', 'areas', 'isCrowd', 'ids'] as const)
    expect(truth.objects[key], key).toEqual(own.objects[key]);
  expect(cocoTruthOf(task, tested.slice(0, 1)).objects.count).toBe(0);
  await task.close();
});

test('the truth of VOC images is that of their split', async () => {
  const task = (await openImageTask(await writeTree('VOC2007', vocTree))) as VocTask;
  const { train, test: tested } = detectionSplits(task);
  expect(train.map(({ image }) => image.id).sort()).toEqual(['a', 'b']);
  expect(vocTruthOfImages(task, tested)).toEqual(vocTruthOf(task, 'test'));
});

test('what has no boxes, or not of all its images, is refused', async () => {
  const folders = await openImageTask(await writeTree('folders', folderTree));
  expect(() => detectionSplits(folders)).toThrow('has no boxes to detect');
  const part = { ...vocTree, 'Annotations/b.xml': undefined };
  const read = openImageTask(await writeTree('VOC2007', part));
  await expect(read.then((task: ImageTask) => detectionSplits(task))).rejects.toThrow(
    /b(\.xml| of train has no annotation)/,
  );
});
