/** VOC07 linear SVMs at the size of the real task. */
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRng } from '@unlabel/core';
import { encodeNpy, writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import type { Suite } from '../lib/measure.ts';
import { ours, peer } from './sides.ts';

const folder = join(tmpdir(), 'unlabel-bench-voc-svm');
const images = 5011;
const width = 2048;
const classes = 2;
const costs = [0.01, 0.1, 1, 2, 5, 10, 15, 20, 50, 100, 1000];

/** Pooled activations: never negative, a few strong common directions, classes that overlap; one class a quarter, the rest rarer. */
async function writeData(): Promise<void> {
  await mkdir(folder, { recursive: true });
  const rng = createRng(1);
  const draw = (n: number): Float32Array => Float32Array.from({ length: n }, () => rng.normal());
  const rank = 60;
  const basis = draw(rank * width);
  const centers = draw(classes * width);
  const x = new Float32Array(images * width);
  const flags = Array.from({ length: images * classes }, (_, i) =>
    rng.range(0, 1) < (i % classes === 0 ? 0.25 : 0.05) ? 1 : -1,
  );
  for (let i = 0; i < images; i++) {
    const mix = draw(rank).map((value, r) => value / Math.sqrt(1 + r));
    for (let d = 0; d < width; d++) {
      let value = 0.2 + 0.8 * rng.normal();
      for (let r = 0; r < rank; r++) value += mix[r]! * basis[r * width + d]!;
      for (let c = 0; c < classes; c++) if (flags[i * classes + c] === 1) value += 0.06 * centers[c * width + d]!;
      x[i * width + d] = Math.max(0, value);
    }
  }
  await writeFileAtomic(join(folder, 'x.npy'), encodeNpy({ data: x, shape: [images, width] }));
  await writeJsonAtomic(join(folder, 'problem.json'), { flags, classes, width, costs });
}

export const vocSvm: Suite = {
  name: 'voc-svm',
  description:
    `VOC07 classification protocol on ${images} embeddings of width ${width}: ${classes} classes, ${costs.length} costs, 3 folds, ` +
    'then a fit of each class at its cost. Ours converges to a relative gradient of 1e-7; LinearSVC stops at its tolerance of 1e-4.',
  works: ['select'],
  amounts: { select: { amount: classes * (3 * costs.length + 1), unit: 'fits' } },
  repetitions: 3,
  prepare: writeData,
  contenders: async ({ python }) => [
    ours('voc-svm.ts', 'auto', [folder]),
    ...peer('scikit-learn', 'voc_svm.py', python, [folder]),
  ],
};
