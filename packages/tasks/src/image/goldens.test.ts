import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { GoldenFile, GoldenTools, NdArray } from '@unlabel/core';
import { imageGoldens } from './goldens.ts';

const dir = fileURLToPath(new URL('../../fixtures', import.meta.url));

test('VOC2007 detection has the golden’s average precisions, by both rules', async () => {
  const golden = JSON.parse(await readFile(`${dir}/voc-ap-2007.json`, 'utf8')) as GoldenFile;
  const target = imageGoldens['voc-ap-*']!;
  const found = (await target.run(golden, { dir } as GoldenTools)) as Record<string, NdArray | number>;
  const expected = target.expected(golden);
  expect(Object.keys(expected)).toHaveLength(52);
  for (const [key, value] of Object.entries(expected)) {
    const ours = found[key]!;
    if (typeof value === 'number' || typeof ours === 'number') expect(ours, key).toBe(value);
    else value.data.forEach((one, i) => expect(Math.abs(ours.data[i]! - one), key).toBeLessThan(1e-12));
  }
});
