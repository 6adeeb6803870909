import { createHash } from 'node:crypto';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { decodeImage, isImageName, readImageInfo } from './decode.ts';

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
const pillow = JSON.parse(await readFile(join(fixtures, 'pillow.json'), 'utf8')) as Record<string, string>;
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

describe.each(Object.keys(pillow))('%s', (file) => {
  test('has Pillow’s pixels, from the file and from its bytes', async () => {
    const path = join(fixtures, file);
    const image = await decodeImage(path, { orientation: 'ignored' });
    expect([image.width, image.height, image.data.length]).toEqual([44, 30, 44 * 30 * 3]);
    expect(sha256(image.data)).toBe(pillow[file]);
    expect(await decodeImage(await readFile(path), { orientation: 'ignored' }, file)).toEqual(image);
    expect(await readImageInfo(path)).toMatchObject({ width: 44, height: 30 });
    expect(isImageName(file)).toBe(true);
  });
});

test('orientation is applied unless told otherwise', async () => {
  const path = join(fixtures, 'turned.jpg');
  const [stored, turned] = [await decodeImage(path, { orientation: 'ignored' }), await decodeImage(path)];
  expect([turned.width, turned.height]).toEqual([30, 44]);
  // Orientation 6: the stored top row is the right column.
  for (let c = 0; c < 3; c++) expect(turned.data[29 * 3 + c]).toBe(stored.data[c]);
  expect((await readImageInfo(path)).orientation).toBe(6);
});

test('transparent pixels keep their colour, or are laid over another', async () => {
  const path = join(fixtures, 'alpha.png'); // its first column is fully transparent, and 0 in red
  const first = async (alpha: 'dropped' | 'white' | 'black'): Promise<number> =>
    (await decodeImage(path, { alpha })).data[0]!;
  expect([await first('dropped'), await first('white'), await first('black')]).toEqual([0, 255, 0]);
});

describe('what is no whole image', () => {
  const folder = mkdtemp(join(tmpdir(), 'unlabel-image-'));
  const cases = ['rgb.jpg', 'progressive.jpg', 'rgb.png', 'rgb.webp', 'rgb.gif', 'rgb.bmp', 'rgb.ppm', 'rgb.tif'];

  test.each(cases)('%s cut off is an error that names the file', async (file) => {
    const path = join(await folder, file);
    const bytes = await readFile(join(fixtures, file));
    await writeFile(path, bytes.subarray(0, Math.floor(bytes.length * 0.6)));
    await expect(decodeImage(path)).rejects.toThrow(path);
    await expect(decodeImage(path)).rejects.toMatchObject({ name: 'DataError' });
  });

  test('text, nothing, a folder and a missing file are named', async () => {
    await writeFile(join(await folder, 'text.jpg'), 'this is no image');
    await writeFile(join(await folder, 'empty.jpg'), '');
    await expect(decodeImage(join(await folder, 'text.jpg'))).rejects.toThrow('text.jpg: is not an image of a kind');
    await expect(decodeImage(join(await folder, 'empty.jpg'))).rejects.toThrow('empty.jpg: is empty');
    await expect(decodeImage(await folder)).rejects.toThrow('is not a file');
    await expect(readImageInfo(join(await folder, 'none.jpg'))).rejects.toThrow('none.jpg: could not be read (ENOENT');
    await expect(decodeImage(new Uint8Array(0), {}, 'a.zip/b.jpg')).rejects.toThrow('a.zip/b.jpg: is empty');
  });

  test('drawings are not images', async () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4"/></svg>';
    await expect(decodeImage(Buffer.from(svg), {}, 'x.svg')).rejects.toThrow('x.svg: is not an image of a kind');
  });

  test('more pixels than wanted are refused before they are decoded', async () => {
    for (const file of ['rgb.jpg', 'rgb.bmp', 'rgb.ppm'])
      await expect(decodeImage(join(fixtures, file), { maxPixels: 100 })).rejects.toThrow('has too many pixels');
  });
});
