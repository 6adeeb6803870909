/** Small image tasks for tests, in each layout. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A JPEG of 32 × 24 pixels. */
const base = Buffer.from(
  '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKT/wAARCAAYACADASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAP/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFgEBAQEAAAAAAAAAAAAAAAAAAAME/8QAFBEBAAAAAAAAAAAAAAAAAAAAAP/aAAwDAQACEQMRAD8AmAxJAAAAAAP/2Q==',
  'base64',
);

/** The image with a comment, so that files differ. */
export function tinyJpeg(comment: string): Uint8Array {
  const text = Buffer.from(comment);
  const head = Buffer.from([0xff, 0xfe, 0, text.length + 2]);
  return Buffer.concat([base.subarray(0, 2), head, text, base.subarray(2)]);
}

export type Tree = Readonly<Record<string, string | Uint8Array | undefined>>;

/** Writes files, leaving out those that are undefined. @returns the folder */
export async function writeTree(name: string, files: Tree): Promise<string> {
  const dir = join(await mkdtemp(join(tmpdir(), 'unlabel-images-')), name);
  await mkdir(dir, { recursive: true });
  for (const [file, content] of Object.entries(files)) {
    if (content === undefined) continue;
    await mkdir(dirname(join(dir, file)), { recursive: true });
    await writeFile(join(dir, file), content);
  }
  return dir;
}

type Corners = readonly [number, number, number, number];

export const vocXml = (
  objects: readonly [name: string, box: Corners, isDifficult?: boolean][],
  size = '32 24',
): string => {
  const [width, height] = size.split(' ');
  const parts = objects.map(
    ([name, [xmin, ymin, xmax, ymax], isDifficult]) =>
      `<object><name>${name}</name><pose>Left</pose><truncated>0</truncated><difficult>${isDifficult ? 1 : 0}</difficult>` +
      `<bndbox><xmin>${xmin}</xmin><ymin>${ymin}</ymin><xmax>${xmax}</xmax><ymax>${ymax}</ymax></bndbox></object>`,
  );
  return `<annotation><size><width>${width}</width><height>${height}</height><depth>3</depth></size>${parts.join('')}</annotation>`;
};

export const vocTree: Tree = {
  'ImageSets/Main/train.txt': 'a\nb\n',
  'ImageSets/Main/test.txt': 'c\n',
  'ImageSets/Main/cat_train.txt': 'a  1\nb -1\n',
  'ImageSets/Main/cat_test.txt': 'c -1\n',
  'ImageSets/Main/dog_train.txt': 'a  0\nb  1\n',
  'ImageSets/Main/dog_test.txt': 'c  1\n',
  'Annotations/a.xml': vocXml([['cat', [1, 1, 10, 12]], ['dog', [5, 5.5, 32, 24], true]]), // prettier-ignore
  'Annotations/b.xml': vocXml([['dog', [3, 4, 20, 20]]]),
  'Annotations/c.xml': vocXml([['dog', [3, 4, 20, 20]]]),
  'JPEGImages/a.jpg': tinyJpeg('a'),
  'JPEGImages/b.jpg': tinyJpeg('b'),
  'JPEGImages/c.jpg': tinyJpeg('c'),
};

export const cocoInstances = (change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  info: {},
  images: [
    { id: 7, width: 32, height: 24, file_name: 'a.jpg' },
    { id: 3, width: 32, height: 24, file_name: 'b.jpg' },
  ],
  annotations: [
    {
      id: 1,
      image_id: 7,
      category_id: 18,
      bbox: [1, 2, 10, 12],
      area: 100,
      iscrowd: 0,
      segmentation: [[1, 2, 11, 2, 11, 14]],
    },
    {
      id: 2,
      image_id: 7,
      category_id: 1,
      bbox: [0, 0, 32, 24],
      area: 50,
      iscrowd: 1,
      segmentation: { size: [24, 32], counts: [0, 768] },
    },
  ],
  categories: [
    { id: 18, name: 'dog' },
    { id: 1, name: 'person' },
  ],
  ...change,
});

export const cocoTree = (change: Readonly<Record<string, unknown>> = {}): Tree => ({
  'annotations/instances_val.json': JSON.stringify(cocoInstances(change)),
  'val/a.jpg': tinyJpeg('a'),
  'val/b.jpg': tinyJpeg('b'),
});

export const folderTree: Tree = {
  'train/dog/1.jpg': tinyJpeg('1'),
  'train/dog/2.JPG': tinyJpeg('2'),
  'train/cat/1.jpg': tinyJpeg('3'),
  'train/cat/.hidden.jpg': 'x',
  'train/cat/notes.txt': 'x',
  'val/dog/1.jpg': tinyJpeg('4'),
  'val/cat/1.jpg': tinyJpeg('5'),
};
