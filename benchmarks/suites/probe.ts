/** Fitting the linear probe on embeddings. */
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRng } from '@unlabel/core';
import { encodeNpy, writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import type { Suite } from '../lib/measure.ts';
import { ours, peer } from './sides.ts';

const folder = join(tmpdir(), 'unlabel-bench-probe');
const clips = 600;
const width = 2048;
const classes = 10;
const strengths = [10, 1, 0.1];

/** Classes overlap: a direction each, in noise three times as strong, over a common low-rank part as real embeddings have. */
async function writeData(): Promise<void> {
  await mkdir(folder, { recursive: true });
  const rng = createRng(1);
  const draw = (n: number): Float32Array => Float32Array.from({ length: n }, () => rng.normal());
  const rank = 40;
  const centers = draw(classes * width);
  const basis = draw(rank * width);
  const x = new Float32Array(clips * width);
  const labels = Array.from({ length: clips }, (_, i) => i % classes);
  for (let i = 0; i < clips; i++) {
    const mix = draw(rank);
    for (let d = 0; d < width; d++) {
      let value = 0.3 * centers[labels[i]! * width + d]! + rng.normal();
      for (let r = 0; r < rank; r++) value += (mix[r]! * basis[r * width + d]!) / 3;
      x[i * width + d] = value;
    }
  }
  await writeFileAtomic(join(folder, 'x.npy'), encodeNpy({ data: x, shape: [clips, width] }));
  await writeJsonAtomic(join(folder, 'problem.json'), { labels, classes, width, strengths });
}

export const probe: Suite = {
  name: 'probe',
  description:
    `Linear probe on ${clips} embeddings of width ${width}, ${classes} classes: standardise, then multinomial logistic ` +
    `regression at ${strengths.length} strengths of regularisation, to a relative gradient of about 1e-7 (ours) and lbfgs's tol 1e-6 (peer).`,
  works: ['fit'],
  repetitions: 8,
  prepare: writeData,
  contenders: async ({ python }) => [
    ours('probe.ts', 'auto', [folder]),
    ...peer('scikit-learn', 'probe.py', python, [folder]),
  ],
};
