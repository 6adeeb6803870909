import { mkdir, mkdtemp, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createRng, type InputSpec, type Sample } from '@unlabel/core';
import { encodeZip } from '@unlabel/formats';
import { resizeShortSide } from '@unlabel/image';
import { toBytes } from '@unlabel/augment';
import { silentDisplay } from '../display/display.ts';
import { writePictures } from '../testing/pictures.ts';
import { loadImage } from './image-source.ts';
import { listItems } from './items.ts';
import { createSource, type CacheEntry } from './source.ts';
import { buildCache } from './spectrogram-cache.ts';

const folder = await mkdtemp(join(tmpdir(), 'images-'));
const image = { size: 16, resize: 18, interpolation: 'bicubic', mean: [0, 0, 0], std: [1, 1, 1] } as const;
const spec = (cacheSide?: number): InputSpec => ({
  modality: 'image',
  image: { ...image, ...(cacheSide === undefined ? {} : { cacheSide }) },
});

test('a folder gives its images in order; of a VOC tree, the photographs alone, and those of a list', async () => {
  const tree = join(folder, 'VOCdevkit', 'VOC2007');
  const photos = await writePictures(join(tree, 'JPEGImages'), { count: 3, width: 8, height: 8 });
  for (const [i, path] of photos.entries()) await rename(path, join(tree, 'JPEGImages', `00000${i}.jpg`));
  await writePictures(join(tree, 'SegmentationClass'), { count: 2, width: 8, height: 8 });
  await mkdir(join(tree, 'ImageSets', 'Main'), { recursive: true });
  await writeFile(join(tree, 'ImageSets', 'Main', 'trainval.txt'), '000002\n000000 -1\n');
  await writeFile(join(tree, 'notes.md'), 'no image');
  const names = async (...sources: string[]): Promise<string[]> =>
    (await listItems(sources.map((source) => join(folder, source)), 'image')).map((item) => item.path.slice(-10)); // prettier-ignore
  expect(await names('VOCdevkit')).toEqual(['000000.jpg', '000001.jpg', '000002.jpg']);
  expect(await names('VOCdevkit/VOC2007')).toHaveLength(3);
  expect(await names('VOCdevkit/VOC2007/ImageSets/Main/trainval.txt')).toEqual(['000002.jpg', '000000.jpg']);
  await writeFile(join(folder, 'list.txt'), 'a\n');
  await expect(listItems([join(folder, 'list.txt')], 'image')).rejects.toThrow(/VOC tree/);
  await expect(listItems([tree], 'audio')).rejects.toThrow(/found no audio/);
});

test('cached bytes are those of decoding and resizing at each access; smaller images are kept', async () => {
  const dir = join(folder, 'pictures');
  await writePictures(join(dir, 'a'), { count: 3, width: 40, height: 24 });
  await writePictures(join(dir, 'b'), { count: 2, width: 10, height: 12 });
  const items = await listItems([dir], 'image');
  const progress = silentDisplay.task('decode', items.length, 'images');
  const { entries } = await buildCache(join(folder, 'cache'), items, spec(16), 1, progress);
  const read = (input: InputSpec, cache?: readonly CacheEntry[]): Promise<Sample[]> => {
    const source = createSource({ items, input, normalization: undefined, cache });
    return Promise.all(items.map((_, i) => source.sample(i, createRng(i))));
  };
  const cached = await read(spec(16), entries);
  expect(cached).toEqual(await read(spec(16)));
  expect(cached.map((sample) => sample['image']!.shape)).toEqual([[16, 26, 3], [16, 26, 3], [16, 26, 3], [12, 10, 3], [12, 10, 3]]); // prettier-ignore
  const [whole] = await read(spec());
  const pixels = await loadImage(items[0]!.path, image);
  expect(toBytes(whole!['image']!)).toEqual(pixels);
  expect(toBytes(cached[0]!['image']!)).toEqual(resizeShortSide(pixels, 16, 'bicubic'));
});

test('a broken file is named', async () => {
  const path = join(folder, 'broken.png');
  await writeFile(path, 'not an image');
  const source = createSource({ items: [{ path, name: path }], input: spec(), normalization: undefined });
  await expect(source.sample(0, createRng(0))).rejects.toThrow(/broken\.png/);
  expect(() => createSource({ items: [], input: { modality: 'image' }, normalization: undefined })).toThrow(
    /input\.image/,
  );
});

const pixels = (...values: number[]): Uint8Array =>
  Buffer.concat([Buffer.from('P6 2 1 255\n'), Uint8Array.from(values)]);

test('COCO’s instances give their images, in a folder or in an archive; an archive gives all of its own', async () => {
  const dir = join(folder, 'coco');
  const instances = (names: readonly string[]) =>
    JSON.stringify({
      images: names.map((file_name, i) => ({ id: 9 - i, width: 2, height: 1, file_name })),
      annotations: [],
      categories: [],
    });
  await mkdir(join(dir, 'annotations'), { recursive: true });
  await writeFile(join(dir, 'annotations/instances_train.json'), instances(['x.ppm', 'y.ppm']));
  await writeFile(
    join(dir, 'train.zip'),
    encodeZip({
      'train/x.ppm': pixels(1, 2, 3, 4, 5, 6),
      'train/y.ppm': pixels(7, 8, 9, 10, 11, 12),
      'train/.z.ppm': pixels(0),
      'train/notes.txt': pixels(0),
    }),
  );
  const items = await listItems([join(dir, 'annotations/instances_train.json')], 'image');
  expect(items).toEqual([
    { path: join(dir, 'train.zip#train/y.ppm'), name: 'train/y.ppm' },
    { path: join(dir, 'train.zip#train/x.ppm'), name: 'train/x.ppm' },
  ]);
  expect(await loadImage(items[1]!.path, image)).toEqual({
    width: 2,
    height: 1,
    data: Uint8Array.of(1, 2, 3, 4, 5, 6),
  });
  expect((await listItems([join(dir, 'train.zip')], 'image')).map(({ name }) => name)).toEqual(['train/x.ppm', 'train/y.ppm']); // prettier-ignore
  await writeFile(join(dir, 'annotations/instances_train.json'), instances(['x.ppm', 'none.ppm']));
  await expect(listItems([join(dir, 'annotations/instances_train.json')], 'image')).rejects.toThrow(
    'none.ppm: is missing in',
  );
});
