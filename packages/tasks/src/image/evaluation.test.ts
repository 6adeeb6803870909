import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { encodeZip } from '@unlabel/formats';
import { expect, test } from 'vitest';
import { imageEvaluation } from './evaluation.ts';
import { readImageFile } from './files.ts';
import { openImageTask } from './open-image-task.ts';
import { cocoInstances, cocoTree, folderTree, tinyJpeg, vocTree, writeTree, type Tree } from './testing.ts';

const filesOf = (task: ReturnType<typeof imageEvaluation>, split: string): string[] =>
  task.splits.get(split)!.map(({ file }) => file);

test('train and val alone: val is tested, each fifth training image of a class selects', async () => {
  const more = Object.fromEntries(
    Array.from({ length: 9 }, (_, i) => [`train/dog/a${i}.jpg`, tinyJpeg(`a${i}`)] as const),
  );
  const task = imageEvaluation(await openImageTask(await writeTree('pets', { ...folderTree, ...more })));
  expect(task.folds).toEqual([{ train: ['train-fit'], valid: ['train-select'], test: ['val'] }]);
  expect(filesOf(task, 'train-select')).toEqual(['train/dog/a2.jpg', 'train/dog/a7.jpg']);
  expect(filesOf(task, 'train-fit')).toHaveLength(10);
  expect(task.metadata).toMatchObject({ prediction_type: 'multiclass', evaluation: ['top1_acc', 'mAP'] });
  expect(Buffer.from(await readImageFile(task.wavPath('val', 'val/dog/1.jpg', 0)))).toEqual(Buffer.from(tinyJpeg('4')));
});

test('VOC keeps what is ignored, and uses train, val and test where they are', async () => {
  const own = await openImageTask(await writeTree('VOC2007', vocTree));
  const task = imageEvaluation(own);
  expect(task.folds![0]!.test).toEqual(['test']);
  expect([...task.splits.values()].flat().find(({ file }) => file.endsWith('a.jpg'))).toMatchObject({ labels: [0], ignored: [1] });
  const lists = { 'ImageSets/Main/val.txt': 'b\n', 'ImageSets/Main/cat_val.txt': 'b -1\n', 'ImageSets/Main/dog_val.txt': 'b 1\n' };
  const all = imageEvaluation(await openImageTask(await writeTree('VOC2008', { ...vocTree, ...lists, 'ImageSets/Main/train.txt': 'a\n', 'ImageSets/Main/cat_train.txt': 'a 1\n', 'ImageSets/Main/dog_train.txt': 'a 0\n' })));
  expect(all.folds).toEqual([{ train: ['train'], valid: ['val'], test: ['test'] }]);
}); // prettier-ignore

test('images in an archive are read from it', async () => {
  const instances = JSON.stringify(cocoInstances());
  const tree: Tree = { 'annotations/instances_train2017.json': instances, 'annotations/instances_val2017.json': instances };
  const dir = await writeTree('coco', tree);
  for (const split of ['train2017', 'val2017'])
    await writeFile(join(dir, `${split}.zip`), encodeZip({ [`${split}/a.jpg`]: tinyJpeg('za'), [`${split}/b.jpg`]: tinyJpeg('zb') }));
  const task = imageEvaluation(await openImageTask(dir));
  expect(task.folds![0]).toEqual({ train: ['train-fit'], valid: ['train-select'], test: ['val2017'] });
  const path = task.wavPath('val2017', 'b.jpg', 0);
  expect(path).toMatch(/val2017\.zip#/);
  expect(Buffer.from(await readImageFile(path))).toEqual(Buffer.from(tinyJpeg('zb')));
  await expect(readImageFile(path.replace('b.jpg', 'c.jpg'))).rejects.toThrow('c.jpg');
}); // prettier-ignore

test('without anything to test it is refused', async () => {
  const tree = Object.fromEntries(Object.entries(cocoTree()).map(([file, content]) => [file.replace('_val', '_train').replace('val/', 'train/'), content]));
  const task = await openImageTask(await writeTree('c', tree));
  expect(() => imageEvaluation(task)).toThrow('expected splits to train on and to test, found train');
}); // prettier-ignore
