import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { decodeImage } from './decode.ts';
import { prepareImage } from './prepare.ts';

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
const file = JSON.parse(await readFile(`${fixtures}torchvision-prepare.json`, 'utf8')) as {
  input: { size: number; resize: number; mean: [number, number, number]; std: [number, number, number] };
  cases: { interpolation: 'bilinear' | 'bicubic'; crop: 'center' | 'stretch'; stride: number; values: number[] }[];
};

test.each(file.cases)('$crop by $interpolation is torchvision’s', async ({ interpolation, crop, stride, values }) => {
  const image = await decodeImage(`${fixtures}rgb.png`);
  const prepared = prepareImage(image, { ...file.input, interpolation }, crop);
  expect(prepared.length).toBe(file.input.size ** 2 * 3);
  const worst = Math.max(...values.map((value, i) => Math.abs(value - prepared[i * stride]!)));
  expect(worst).toBeLessThanOrEqual(1e-6); // float32 values up to 3, printed in full
});
