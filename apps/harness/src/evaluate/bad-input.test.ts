/** Files that are wrong in ways that users have them: evaluation and scoring name the fault, or state the rule that they follow. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { encodeJpeg } from '@unlabel/image';
import { describe, expect, test } from 'vitest';
import { scoreCoco } from '../score/coco.ts';
import { scoreVoc } from '../score/voc.ts';
import { loadImage } from './embed-images.ts';
import { openAnyTask } from './open-task.ts';

const jpeg = await encodeJpeg({ width: 32, height: 24, data: new Uint8Array(32 * 24 * 3).fill(90) }, 90);
let trees = 0;
const base = await mkdtemp(join(tmpdir(), 'bad-'));
async function tree(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const dir = join(base, String(++trees), 'task');
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), content);
  }
  return dir;
}

interface Instances {
  readonly images: readonly object[];
  readonly annotations: readonly object[];
  readonly categories: readonly object[];
}
const image = { id: 1, width: 32, height: 24, file_name: 'a.jpg' };
const object = { id: 1, image_id: 1, category_id: 3, bbox: [4, 4, 10, 10], area: 100, iscrowd: 0 };
const clean: Instances = { images: [image], annotations: [object], categories: [{ id: 3, name: 'cat' }] };
const coco = (change: Partial<Instances>, photo: Uint8Array = jpeg): Promise<string> =>
  tree({
    'annotations/instances_train.json': JSON.stringify(clean),
    'annotations/instances_val.json': JSON.stringify({ ...clean, ...change }),
    'train/a.jpg': jpeg,
    'val/a.jpg': photo,
    'results.json': JSON.stringify([{ image_id: 1, category_id: 3, bbox: [4, 4, 10, 10], score: 0.9 }]),
  });
const score = async (dir: string) => {
  const { output, notes } = await scoreCoco({
    annotations: join(dir, 'annotations/instances_val.json'),
    results: join(dir, 'results.json'),
    iou: 'bbox',
    categories: true,
    idZero: 'as-cocoeval',
    format: 'json',
  });
  const { AP } = (JSON.parse(output) as { stats: { AP: number } }).stats;
  return { AP: Number(AP.toFixed(12)), notes: notes.join('\n') };
};

describe('COCO', () => {
  test('a clean folder is evaluated and scored without a word', async () => {
    const dir = await coco({});
    expect((await openAnyTask(dir)).hasBoxes).toBe(true);
    expect(await score(dir)).toEqual({ AP: 1, notes: '' });
  });

  test.each<[string, Partial<Instances>, RegExp]>([
    ['duplicate annotation ids', { annotations: [object, object] }, /annotation id 1 is there more than once/],
    ['an unknown category', { annotations: [{ ...object, category_id: 9 }] }, /annotation 1: its category_id 9 is not listed/],
    ['an unknown image', { annotations: [{ ...object, image_id: 9 }] }, /annotation 1: its image_id 9 is not listed/],
    ['a box of negative width', { annotations: [{ ...object, bbox: [4, 4, -3, 10] }] }, /annotation 1: its bbox has a negative width/],
    ['a box that is none', { annotations: [{ ...object, bbox: [4, 4, 10] }] }, /annotation 1: expected bbox/],
    ['an area that is none', { annotations: [{ ...object, area: 'x' }] }, /annotation 1: expected a finite number as area/],
  ])('%s end both', async (_, change, message) => {
    const dir = await coco(change);
    await expect(openAnyTask(dir)).rejects.toThrow(message);
    await expect(score(dir)).rejects.toThrow(message);
  }); // prettier-ignore

  test('a box outside of its image ends evaluation; the official metric counts it, and says so', async () => {
    const dir = await coco({ annotations: [object, { ...object, id: 2, bbox: [50, 4, 10, 10] }] });
    await expect(openAnyTask(dir)).rejects.toThrow(/annotation 2 \(cat\): its box .* lies outside of the image/);
    const { AP, notes } = await score(dir);
    expect(notes).toBe('1 objects have a box outside of their image: they count like any other, as COCOeval has it');
    expect(AP).toBeCloseTo(51 / 101, 11); // one of two found
  });

  test('a box without area counts as missed, and the metric says so', async () => {
    const dir = await coco({ annotations: [object, { ...object, id: 2, bbox: [9, 4, 0, 10], area: 0 }] });
    expect((await openAnyTask(dir)).hasBoxes).toBe(true);
    const { AP, notes } = await score(dir);
    expect(notes).toContain('1 objects have a box without area');
    expect(AP).toBeCloseTo(51 / 101, 11);
  });

  test('an image that is missing ends evaluation; scoring needs none', async () => {
    const dir = await coco({ images: [image, { ...image, id: 2, file_name: 'b.jpg' }] });
    await expect(openAnyTask(dir)).rejects.toThrow('b.jpg: is missing in');
    expect((await score(dir)).AP).toBe(1);
  });

  test('a JPEG that is cut off is named when it is read', async () => {
    const task = await openAnyTask(await coco({}, jpeg.subarray(0, 200)));
    await expect(loadImage(task.wavPath('val', 'a.jpg', 0))).rejects.toThrow(
      /val\/a\.jpg: the image is damaged or cut off/,
    );
  });

  test('results of unknown categories are left out with a note; of unknown images they end it', async () => {
    const dir = await coco({});
    const write = (rows: readonly object[]) => writeFile(join(dir, 'results.json'), JSON.stringify(rows));
    const row = { image_id: 1, category_id: 3, bbox: [4, 4, 10, 10], score: 0.9 };
    await write([row, { ...row, category_id: 77 }]);
    expect(await score(dir)).toMatchObject({
      AP: 1,
      notes: expect.stringContaining('1 detections are of categories') as string,
    });
    await write([{ ...row, image_id: 77 }]);
    await expect(score(dir)).rejects.toThrow(/results\[0\]: its image_id 77 is not an image of the ground truth/);
    await write([{ ...row, score: null }]);
    await expect(score(dir)).rejects.toThrow(/results\[0\]: expected a finite number as score/);
  });
});

describe('VOC', () => {
  const xml = (name: string, box: readonly number[]): string =>
    `<annotation><size><width>32</width><height>24</height><depth>3</depth></size><object><name>${name}</name><difficult>0</difficult>` +
    `<bndbox><xmin>${box[0]}</xmin><ymin>${box[1]}</ymin><xmax>${box[2]}</xmax><ymax>${box[3]}</ymax></bndbox></object></annotation>`;
  const voc = (annotation: string, listed = 'b'): Promise<string> =>
    tree({
      'ImageSets/Main/train.txt': 'a\n',
      'ImageSets/Main/test.txt': `${listed}\n`,
      'ImageSets/Main/cat_train.txt': 'a 1\n',
      'ImageSets/Main/cat_test.txt': `${listed} 1\n`,
      'Annotations/a.xml': xml('cat', [5, 5, 14, 14]),
      'Annotations/b.xml': annotation,
      'JPEGImages/a.jpg': jpeg,
      'JPEGImages/b.jpg': jpeg,
      'results.json': '[]',
    });
  const scored = (dir: string) =>
    scoreVoc({ tree: dir, split: 'test', results: join(dir, 'results.json'), rules: 'devkit', format: 'json' });

  test.each<[string, string, string | undefined, RegExp]>([
    ['a box outside of its image', xml('cat', [40, 5, 50, 14]), undefined, /Annotations\/b\.xml: cat: its box .* lies outside/],
    ['a box without area', xml('cat', [9, 5, 8, 14]), undefined, /Annotations\/b\.xml: cat: its box .* has no area/],
    ['an unknown class', xml('cow', [5, 5, 14, 14]), undefined, /Annotations\/b\.xml: "cow" is no class/],
    ['an annotation that is missing', xml('cat', [5, 5, 14, 14]), 'c', /c\.jpg: is missing|c of test has no annotation/],
  ])('%s ends evaluation and scoring', async (_, annotation, listed, message) => {
    const dir = await voc(annotation, listed);
    await expect(openAnyTask(dir)).rejects.toThrow(message);
    const faults = await scored(dir).then(() => '', (error: Error & { faults?: readonly string[] }) => [error.message, ...(error.faults ?? [])].join('\n')); // prettier-ignore
    expect(faults).toMatch(message);
  }); // prettier-ignore
});
