import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeZip } from '@unlabel/formats';
import { decodeImage } from '@unlabel/image';
import { encodeRle, evaluateCoco } from '@unlabel/probes';
import { readCocoDetections, readCocoGroundTruth, readCocoTask } from './coco.ts';
import { findImageTasks, openImageTask, readImageTask } from './open-image-task.ts';
import { cocoInstances, cocoTree, folderTree, tinyJpeg, vocTree, vocXml, writeTree, type Tree } from './testing.ts';
import { validateImageTask } from './validate-image-task.ts';
import { readVocDetections, vocTruthOf } from './voc-detections.ts';
import { readVocTask, vocFlagsOf } from './voc.ts';

const faultsOf = async (name: string, tree: Tree): Promise<string> =>
  (await validateImageTask(await writeTree(name, tree))).faults.join('\n');
const warningsOf = async (name: string, tree: Tree): Promise<string> =>
  (await validateImageTask(await writeTree(name, tree))).warnings.join('\n');

describe('a VOC tree', () => {
  test('opens with its flags, objects and images', async () => {
    const task = await openImageTask(await writeTree('VOC2007', vocTree));
    expect(task).toMatchObject({
      layout: 'voc',
      id: 'voc2007',
      predictionType: 'multilabel',
      vocabulary: ['cat', 'dog'],
    });
    const [a, b] = task.splits.get('train')!;
    expect(a).toMatchObject({ id: 'a', width: 32, height: 24, labels: [0], ignored: [1] });
    expect(a!.objects![1]).toEqual({ label: 1, box: [4, 4.5, 28, 19.5], area: 546, isCrowd: false, isDifficult: true });
    expect(b).toMatchObject({ labels: [1], ignored: [] });
    expect((await decodeImage(await task.readImage('train', a!))).width).toBe(32);
    expect(await validateImageTask(task.dir)).toEqual({ faults: [], warnings: [] });
    expect(await findImageTasks(join(task.dir, '..'))).toEqual([task.dir]);
  });

  test('takes labels from the annotations when there are no class files', async () => {
    const lists = Object.fromEntries(Object.entries(vocTree).filter(([file]) => !/_(train|test)\.txt$/.test(file)));
    const { task, faults } = await readImageTask(await writeTree('VOC2012', lists));
    expect(faults).toEqual([]);
    expect(task!.splits.get('train')!.map(({ labels, ignored }) => [labels, ignored])).toEqual([[[0], [1]], [[1], []]]); // prettier-ignore
  });

  test('without any annotation is a classification task', async () => {
    const bare = Object.fromEntries(Object.entries(vocTree).filter(([file]) => !file.startsWith('Annotations')));
    const { task, faults } = await readImageTask(await writeTree('VOC2012', bare));
    expect(faults).toEqual([]);
    expect([task!.hasBoxes, task!.splits.get('test')![0]!.labels]).toEqual([false, [1]]);
  });

  test('a split without any annotation is one without boxes', async () => {
    const { task, faults, warnings } = await readImageTask(
      await writeTree('VOC2012', { ...vocTree, 'Annotations/c.xml': undefined }),
    );
    expect(faults).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('test.txt: none of its images has an annotation')]);
    expect([task!.hasBoxes, task!.splits.get('test')![0]!.labels]).toEqual([true, [1]]);
  });

  test.each<[string, Tree, string]>([
    ['a cut-off JPEG', { 'JPEGImages/a.jpg': tinyJpeg('a').subarray(0, 200) }, 'JPEGImages/a.jpg: the image'],
    ['a missing image', { 'JPEGImages/b.jpg': undefined }, 'b.jpg: is missing in'],
    ['a missing annotation', { 'Annotations/b.xml': undefined }, 'Annotations/b.xml: is missing'],
    [
      'an image of another size',
      { 'Annotations/b.xml': vocXml([['dog', [3, 4, 20, 20]]], '64 48') },
      'has 32 × 24 pixels, its annotation says 64 × 48',
    ],
    [
      'a box outside of the image',
      { 'Annotations/b.xml': vocXml([['dog', [40, 4, 50, 20]]]) },
      'lies outside of the image',
    ],
    ['a box without area', { 'Annotations/b.xml': vocXml([['dog', [9, 4, 8, 20]]]) }, 'has no area'],
    ['an unknown class', { 'Annotations/b.xml': vocXml([['cow', [3, 4, 20, 20]]]) }, '"cow" is no class'],
    [
      'a flag that is none',
      { 'ImageSets/Main/cat_train.txt': 'a 2\nb -1\n' },
      'cat_train.txt: expected -1, 0 or 1 after a',
    ],
    [
      'an image without a flag',
      { 'ImageSets/Main/cat_train.txt': 'a 1\n' },
      'cat_train.txt: 1 images of train.txt have no flag',
    ],
    ['an image listed twice', { 'ImageSets/Main/train.txt': 'a\nb\na\n' }, 'train.txt: "a" is listed more than once'],
    [
      'XML that is cut off',
      { 'Annotations/b.xml': '<annotation><object>' },
      'Annotations/b.xml: line 1: <object> is not closed',
    ],
    [
      'a box that is no number',
      { 'Annotations/b.xml': vocXml([['dog', ['x' as never, 4, 8, 20]]]) },
      'expected a number as xmin, found "x"',
    ],
    ['a name that leaves the folder', { 'ImageSets/Main/train.txt': '../a\n' }, '"../a" is no image name'],
  ])('%s is a named fault', async (_, change, message) => {
    expect(await faultsOf('VOC2007', { ...vocTree, ...change })).toContain(message);
  });

  test('without its folder of images says so once', async () => {
    const bare = Object.fromEntries(Object.entries(vocTree).filter(([file]) => !file.startsWith('JPEGImages')));
    expect(await faultsOf('VOC2007', bare)).toMatch(/^[^\n]*: has no folder JPEGImages$/);
  });

  test('a box that reaches out, and flags that differ, are warnings', async () => {
    const change = { 'Annotations/b.xml': vocXml([['cat', [3, 4, 40, 20]]]) };
    const warnings = await warningsOf('VOC2007', { ...vocTree, ...change });
    expect(warnings).toContain('reaches out of the image of 32 × 24');
    expect(warnings).toContain('1 flags differ from the annotations');
  });

  test('reads detections of the devkit and of JSON alike', async () => {
    const { task } = await readVocTask(await writeTree('VOC2007', vocTree));
    expect([...vocTruthOf(task!, 'train').keys()]).toEqual(['a', 'b']);
    expect([...vocFlagsOf(task!, 'train')]).toEqual([1, 0, -1, 1]);
    expect(() => vocTruthOf(task!, 'val')).toThrow('has no split "val"; there are test, train');
    const texts = await writeTree('det', {
      'comp3_det_train_cat.txt': 'a 0.5 1 2 10 12\n',
      'comp3_det_train_dog.txt': '',
    });
    const json = await writeTree('det', { 'd.json': JSON.stringify([{ image_id: 'a', category: 'cat', score: 0.5, bbox_xyxy: [0, 1, 10, 12] }]) }); // prettier-ignore
    const wanted = [{ image: 'a', name: 'cat', score: 0.5, box: [1, 2, 10, 12] }];
    expect(await readVocDetections(texts, ['cat', 'dog'])).toEqual(wanted);
    expect(await readVocDetections(join(json, 'd.json'), [])).toEqual(wanted);
    await writeFile(join(texts, 'comp3_det_train_dog.txt'), 'a 0.5 1 2\n');
    await expect(readVocDetections(texts, ['cat', 'dog'])).rejects.toThrow('comp3_det_train_dog.txt: line 1: expected');
    await expect(readVocDetections(texts, ['cow'])).rejects.toThrow('detections of cow');
  });
});

describe('a COCO folder', () => {
  test('opens with its objects and images, in the order of ids', async () => {
    const task = await openImageTask(await writeTree('mini', cocoTree()));
    expect(task).toMatchObject({ layout: 'coco', id: 'mini', vocabulary: ['person', 'dog'], hasBoxes: true });
    expect(task.splits.get('val')!.map(({ id, labels }) => [id, labels])).toEqual([['3', []], ['7', [0, 1]]]); // prettier-ignore
    expect(task.splits.get('val')![1]!.objects!.map(({ isCrowd, area }) => [isCrowd, area])).toEqual([[false, 100], [true, 50]]); // prettier-ignore
    expect(await validateImageTask(task.dir)).toEqual({ faults: [], warnings: [] });
  });

  test('finds its images in an archive', async () => {
    const { 'val/a.jpg': a, 'val/b.jpg': b, ...rest } = cocoTree();
    const dir = await writeTree('mini', {
      ...rest,
      'val.zip': encodeZip({ 'val/a.jpg': a as Uint8Array, 'val/b.jpg': b as Uint8Array }),
    });
    expect(await validateImageTask(dir)).toEqual({ faults: [], warnings: [] });
    const { task } = await readCocoTask(join(dir, 'annotations', 'instances_val.json'));
    expect((await decodeImage(await task!.readImage('val', task!.splits.get('val')![0]!))).height).toBe(24);
    await task!.close();
  });

  test('without its images says so in two lines', async () => {
    const { 'annotations/instances_val.json': file } = cocoTree();
    const faults = await faultsOf('mini', { 'annotations/instances_val.json': file });
    expect(faults.split('\n')).toEqual([
      expect.stringContaining('its images were not found, looked for val/'),
      'the images of val were not found',
    ]);
  });

  const [one] = cocoInstances()['annotations'] as Record<string, unknown>[];
  const image = { id: 7, width: 32, height: 24, file_name: 'a.jpg' };
  test.each<[string, Record<string, unknown>, string]>([
    ['a duplicate annotation id', { annotations: [one, one] }, 'annotation id 1 is there more than once'],
    [
      'an unknown category',
      { annotations: [{ ...one, category_id: 2 }] },
      'annotation 1: its category_id 2 is not listed',
    ],
    ['an unknown image', { annotations: [{ ...one, image_id: 2 }] }, 'annotation 1: its image_id 2 is not listed'],
    [
      'a box outside of the image',
      { annotations: [{ ...one, bbox: [50, 2, 10, 12] }] },
      'annotation 1 (dog): its box [50, 2, 10, 12]',
    ],
    [
      'an image that is missing',
      { images: [image, { ...image, id: 9, file_name: 'x.jpg' }], annotations: [] },
      'x.jpg: is missing',
    ],
    ['an image id twice', { images: [image, image] }, 'image id 7 is there more than once'],
    ['no categories', { categories: undefined }, 'has no categories'],
    [
      'two broken records',
      {
        annotations: [
          { ...one, bbox: null },
          { ...one, id: 'x' },
        ],
      },
      'annotation 1: expected bbox',
    ],
    ['an image of another size', { images: [{ ...image, width: 33 }], annotations: [] }, 'its annotation says 33 × 24'],
  ])('%s is a named fault', async (_, change, message) => {
    expect(await faultsOf('mini', cocoTree(change))).toContain(message);
  });

  test('a box without area is a warning with its rule', async () => {
    const annotations = [{ ...one, bbox: [1, 2, 0, 5] }];
    expect(await warningsOf('mini', cocoTree({ annotations }))).toContain('1 objects have a box without area');
  });

  test('scores detections from files, boxes and masks', async () => {
    const dir = await writeTree('mini', cocoTree());
    const truth = await readCocoGroundTruth(join(dir, 'annotations', 'instances_val.json'), { withMasks: true });
    const counts = encodeRle(truth.objects.mask(0));
    const results = [{ image_id: 7, category_id: 18, score: 1, segmentation: { size: [24, 32], counts } }];
    await writeFile(join(dir, 'results.json'), JSON.stringify(results));
    const detections = await readCocoDetections(join(dir, 'results.json'), truth, { withMasks: true });
    expect(evaluateCoco(truth, detections, { iou: 'segm' }).stats.AP).toBeCloseTo(1, 12);
    await writeFile(join(dir, 'results.json'), '{"a": []}');
    await expect(readCocoDetections(join(dir, 'results.json'), truth, { withMasks: false })).rejects.toThrow(
      'expected an array',
    );
  });
});

describe('class folders', () => {
  test('open with classes by name and images by class', async () => {
    const task = await openImageTask(await writeTree('pets', folderTree));
    expect(task).toMatchObject({ layout: 'folders', predictionType: 'multiclass', vocabulary: ['cat', 'dog'] });
    expect(task.splits.get('train')!.map(({ id, labels }) => [id, labels[0]])).toEqual([['cat/1.jpg', 0], ['dog/1.jpg', 1], ['dog/2.JPG', 1]]); // prettier-ignore
    const { faults, warnings } = await validateImageTask(task.dir);
    expect(faults).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('1 files are no images, such as notes.txt')]);
  });

  test('the same file in two splits is a fault, in one a warning', async () => {
    expect(await faultsOf('pets', { ...folderTree, 'val/cat/2.jpg': tinyJpeg('1') })).toContain(
      'is the same file as train/dog/1.jpg',
    );
    expect(await warningsOf('pets', { ...folderTree, 'val/cat/2.jpg': tinyJpeg('5') })).toContain(
      'is the same file as',
    );
  });

  test('an empty class and a damaged image are faults', async () => {
    const faults = await faultsOf('pets', { ...folderTree, 'val/cow/x.txt': 'x', 'val/dog/1.jpg': 'no image' });
    expect(faults).toContain('val/cow/: holds no image');
    expect(faults).toContain('val/dog/1.jpg: is not an image of a kind');
  });
});

test('folds of class folders are splits; a folder of tasks of any layout gives them all', async () => {
  const inFolds = Object.fromEntries(
    ['fold00', 'fold01', 'fold02'].flatMap((fold) =>
      ['cat', 'dog'].map((name) => [`folded/${fold}/${name}/1.jpg`, tinyJpeg(`${fold}${name}`)]),
    ),
  );
  const under = (name: string, tree: Tree): Tree =>
    Object.fromEntries(Object.entries(tree).map(([file, content]) => [`${name}/${file}`, content]));
  const dir = await writeTree('many', { ...inFolds, ...under('coco', cocoTree()), ...under('voc', vocTree) });
  expect(await findImageTasks(dir)).toEqual(['coco', 'folded', 'voc'].map((name) => join(dir, name)));
  const task = await openImageTask(join(dir, 'folded'));
  expect([...task.splits.keys()]).toEqual(['fold00', 'fold01', 'fold02']);
  expect(await validateImageTask(task.dir)).toEqual({ faults: [], warnings: [] });
});

test('other folders are no image tasks', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'unlabel-none-'));
  expect(await findImageTasks(dir)).toEqual([]);
  await expect(openImageTask(dir)).rejects.toThrow('is not an image task that can be used');
});
