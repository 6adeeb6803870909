/** Our side of `image-views`: MoCo v2's two views as worker threads make them, of images in memory. */
import { parseArgs } from 'node:util';
import { toFloat } from '@unlabel/augment';
import { createRng, type NdArray } from '@unlabel/core';
import { moco } from '@unlabel/moco';
import { serve } from '../lib/serve.ts';

const { values } = parseArgs({ options: { images: { type: 'string', default: '64' } } });
const [width, height] = [500, 375];

const rng = createRng(1);
const images: NdArray[] = Array.from({ length: Number(values.images) }, (_, i) => {
  const draw = rng.fork(i);
  const data = Uint8Array.from({ length: width * height * 3 }, () => draw.int(256));
  return toFloat({ width, height, data });
});
const views = moco.views(moco.config.parse({}));
let round = 0;

async function makeViews(): Promise<number> {
  const draws = rng.fork(`round${round++}`);
  const start = performance.now();
  for (const [position, image] of images.entries()) {
    await views({ image }, { rng: draws.fork(position), position, recent: () => Promise.resolve(undefined) });
  }
  return (performance.now() - start) / 1000;
}

await serve({ node: process.version, threads: 1 }, { views: makeViews });
