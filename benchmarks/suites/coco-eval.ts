/** COCO's detection metric on input of the size of COCO val 2017. */
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRng, type Rng } from '@unlabel/core';
import { writeFileAtomic } from '@unlabel/formats';
import type { Suite } from '../lib/measure.ts';
import { ours, peer } from './sides.ts';

const folder = join(tmpdir(), 'unlabel-bench-coco');
const images = 5000;
const categories = 80;
const objects = 36_000;
const detections = 100;

type Box = [number, number, number, number];
const round = (value: number): number => Math.round(value * 100) / 100;

/** Sides as in COCO: two fifths of the objects below 32² pixels, a quarter above 96². */
function drawBox(rng: Rng): Box {
  const side = Math.exp(3.8 + 1.05 * rng.normal());
  const aspect = Math.exp(0.4 * rng.normal());
  const [w, h] = [Math.min(600, side * aspect), Math.min(440, side / aspect)];
  return [round(rng.range(0, 640 - w)), round(rng.range(0, 480 - h)), round(w), round(h)];
}

function jitter([x, y, w, h]: Box, rng: Rng): Box {
  const spread = 0.25 * rng.range(0, 1) ** 2;
  const move = (size: number): number => size * spread * rng.normal();
  return [x + move(w), y + move(h), w * Math.exp(spread * rng.normal()), h * Math.exp(spread * rng.normal())].map(
    round,
  ) as Box;
}

/** A detector's output: two tries at each object, duplicates and guesses of low score, among the categories of the image and others. */
async function writeData(): Promise<void> {
  await mkdir(folder, { recursive: true });
  const rng = createRng(1);
  const draw = (n: number): number => Math.floor(rng.range(0, n));
  const present = Array.from({ length: images }, () => Array.from({ length: 1 + draw(5) }, () => 1 + draw(categories)));
  const annotations: object[] = [];
  const held: [Box, number][][] = present.map(() => []);
  for (let id = 1; id <= objects; id++) {
    const image = Math.min(images - 1, Math.floor(images * rng.range(0, 1) ** 1.5));
    const category = present[image]![draw(present[image]!.length)]!;
    const bbox = drawBox(rng);
    const area = round(bbox[2] * bbox[3] * rng.range(0.4, 0.9));
    const iscrowd = draw(100) === 0 ? 1 : 0;
    annotations.push({ id, image_id: image + 1, category_id: category, bbox, area, iscrowd });
    held[image]!.push([bbox, category]);
  }
  const results: string[] = [];
  held.forEach((list, image) => {
    for (let i = 0; i < detections; i++) {
      const object = list[i % Math.max(1, list.length)];
      const isTry = object !== undefined && i < 3 * list.length;
      const category = isTry && draw(10) > 0 ? object[1] : 1 + draw(categories);
      const bbox = isTry ? jitter(object[0], rng) : drawBox(rng);
      const score = Number((isTry ? rng.range(0, 1) : rng.range(0, 1) ** 4).toFixed(5));
      results.push(JSON.stringify({ image_id: image + 1, category_id: category, bbox, score }));
    }
  });
  const truth = {
    images: held.map((_, i) => ({ id: i + 1, width: 640, height: 480 })),
    annotations,
    categories: Array.from({ length: categories }, (_, k) => ({ id: k + 1, name: `category ${k + 1}` })),
  };
  await writeFileAtomic(join(folder, 'gt.json'), JSON.stringify(truth));
  await writeFileAtomic(join(folder, 'results.json'), `[${results.join(',')}]`);
}

export const cocoEval: Suite = {
  name: 'coco-eval',
  description:
    `COCO's twelve numbers by boxes: ${images} images, ${categories} categories, ${objects} objects, ${detections} detections ` +
    'an image. `evaluate` starts from what is loaded, `files` from the two JSON files. Both sides report the AP they found.',
  works: ['evaluate', 'files'],
  amounts: {
    evaluate: { amount: images, unit: 'images' },
    files: { amount: images, unit: 'images' },
  },
  repetitions: 3,
  prepare: writeData,
  contenders: async ({ python }) => [
    ours('coco-eval.ts', 'auto', [folder]),
    ...peer('pycocotools', 'coco_eval.py', python, [folder]),
  ],
};
