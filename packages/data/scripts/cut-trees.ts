/**
 * Cuts the photographs of the deepforest 2.1.0 wheel (PyPI) into the tiles of `trees/`:
 *   node --conditions=@unlabel/source packages/data/scripts/cut-trees.ts <unpacked wheel>
 * Boxes are taken as deepforest's own reader takes them: corners from 0, ends excluded.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeImage, encodeJpeg } from '@unlabel/image';

const side = 200;
const quality = 78;
/** Boxes with less in the tile are left out. */
const minShare = 0.25;

const photographs = [
  ['2019_YELL_2_528000_4978000_image_crop2', 'yell528', 'train'],
  ['OSBS_029', 'osbs029', 'valid'],
  ['SOAP_061', 'soap061', 'valid'],
  ['2019_YELL_2_541000_4977000_image_crop', 'yell541', 'test'],
] as const;

const wheel = process.argv[2];
if (wheel === undefined) throw new Error('expected the folder of the unpacked wheel');
const out = fileURLToPath(new URL('../trees/', import.meta.url));
mkdirSync(out, { recursive: true });
const tiles: unknown[] = [];
for (const [file, name, split] of photographs) {
  const image = await decodeImage(join(wheel, 'deepforest', 'data', `${file}.png`));
  const xml = readFileSync(join(wheel, 'deepforest', 'data', `${file}.xml`), 'utf8');
  const corner = (text: string, name: string): number =>
    Number(new RegExp(`<${name}>(\\d+)</${name}>`).exec(text)?.[1]);
  const boxes = xml
    .split('<bndbox>')
    .slice(1)
    .map(
      (text) => ['xmin', 'ymin', 'xmax', 'ymax'].map((name) => corner(text, name)) as [number, number, number, number],
    );
  for (let top = 0; top + side / 2 <= image.height; top += side) {
    for (let left = 0; left + side / 2 <= image.width; left += side) {
      const [width, height] = [Math.min(side, image.width - left), Math.min(side, image.height - top)];
      const data = new Uint8Array(width * height * 3);
      for (let y = 0; y < height; y++) {
        const from = ((top + y) * image.width + left) * 3;
        data.set(image.data.subarray(from, from + width * 3), y * width * 3);
      }
      const inside = boxes.flatMap(([x1, y1, x2, y2]) => {
        const [a, b] = [Math.max(x1, left), Math.max(y1, top)];
        const [c, d] = [Math.min(x2, left + width), Math.min(y2, top + height)];
        const share = c > a && d > b ? ((c - a) * (d - b)) / ((x2 - x1) * (y2 - y1)) : 0;
        return share < minShare ? [] : [[a - left, b - top, c - a, d - b, Math.round(share * 1000) / 1000]];
      });
      const id = `${name}_${String(top / side).padStart(2, '0')}_${String(left / side).padStart(2, '0')}`;
      tiles.push({ id, split, width, height, boxes: inside });
      writeFileSync(join(out, `${id}.jpg`), await encodeJpeg({ width, height, data }, quality));
    }
  }
}
writeFileSync(join(out, 'tiles.json'), `[\n${tiles.map((tile) => JSON.stringify(tile)).join(',\n')}\n]\n`);
