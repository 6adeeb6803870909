/** Crowns of trees from the air: real photographs with boxes drawn by hand, vendored in `trees/`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeImage, type RgbImage } from '@unlabel/image';
import { z } from 'zod';
import { writeDetection, type DetectionLayout, type Scene } from './detection-files.ts';
import type { ImageSuiteTask } from './image-suite-task.ts';

const folder = fileURLToPath(new URL('../../trees/', import.meta.url));

const tileSchema = z.object({
  /** Name of the tile, without `.jpg`. */
  id: z.string(),
  split: z.enum(['train', 'valid', 'test']),
  width: z.int(),
  height: z.int(),
  /** [x, y, width, height, share of the box that lies in the tile]. */
  boxes: z.array(z.tuple([z.int(), z.int(), z.int(), z.int(), z.number()])),
});

/** A box that a tile cuts to less than this is difficult. */
const countedFrom = 0.5;

const tiles = (): z.output<typeof tileSchema>[] =>
  z.array(tileSchema).parse(JSON.parse(readFileSync(join(folder, 'tiles.json'), 'utf8')));

const jpegOf = (id: string): Uint8Array => readFileSync(join(folder, `${id}.jpg`));

/** The whole tiles of a split, RGB [200, 200, 3]. */
export async function treePhotos(split: string): Promise<RgbImage[]> {
  const own = tiles().filter((tile) => tile.split === split && tile.width === 200 && tile.height === 200);
  return Promise.all(own.map(({ id }) => decodeImage(jpegOf(id), {}, `${id}.jpg`)));
}

const trees = (id: string, layout: DetectionLayout): ImageSuiteTask => ({
  id,
  title: `Crowns of trees in aerial photographs, as ${layout.toUpperCase()} lays detection out`,
  packages: [],
  note:
    'Tiles of 200 × 200 pixels of four photographs of the deepforest 2.1.0 package (imagery of NEON, the National Ecological ' +
    'Observatory Network), with 951 boxes drawn by hand; MIT, see LICENSE and SOURCE.md of packages/data/trees. Splits are by ' +
    'photograph: YELL 528000 trains, OSBS_029 and SOAP_061 validate, YELL 541000 tests. A box cut by a tile is kept from a ' +
    'quarter of it on; below half it is difficult (VOC) or a crowd (COCO).',
  build(_folders, to) {
    const scenes = tiles().map(({ id: name, split, width, height, boxes }): Scene => ({
      id: name,
      split,
      width,
      height,
      jpeg: jpegOf(name),
      objects: boxes.map(([x, y, w, h, share]) => ({
        label: 0,
        box: [x, y, w, h],
        area: w * h,
        isDifficult: share < countedFrom,
      })),
    }));
    return Promise.resolve(writeDetection(layout, scenes, ['tree'], to));
  },
});

export const treesCoco = trees('trees', 'coco');
export const treesVoc = trees('trees-voc', 'voc');
