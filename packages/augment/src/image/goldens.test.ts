import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { GoldenFile, GoldenTools } from '@unlabel/core';
import { parseSafetensors } from '@unlabel/formats';
import { imageOpGoldens } from './goldens.ts';

const fixtures = new URL('../../fixtures/', import.meta.url);

interface Golden extends GoldenFile {
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly strides: Readonly<Record<string, { readonly flat_stride: number }>>;
}

/** As the goldens state it, and stricter where ours is: Pillow's operators are met byte for byte. */
function toleranceOf(name: string): number {
  if (name.startsWith('pil.') || name === 'image_hwc_u8') return 0;
  if (name.startsWith('tensor_u8.')) return 1;
  if (/hue|jitter/.test(name)) return 1e-4;
  return /blur|resize/.test(name) ? 1e-5 : 2e-6;
}

describe.each(['image-ops-0', 'image-ops-1', 'image-ops-2'])('%s', (name) => {
  const golden = JSON.parse(readFileSync(new URL(`${name}.json`, fixtures), 'utf8')) as Golden;
  const stored = parseSafetensors(readFileSync(new URL(`${name}.safetensors`, fixtures)), name);
  const tools = { stored: (key: string) => stored.read(key) } as Partial<GoldenTools> as GoldenTools;
  const found = imageOpGoldens['image-ops*']!.run(golden, tools);

  test.each(Object.keys(golden.outputs))('%s', async (output) => {
    const actual = (await found)[output];
    if (actual === undefined || typeof actual === 'number') throw new Error(`${output} was not computed`);
    const { data } = stored.read(output);
    const stride = golden.strides[output]!.flat_stride;
    expect(data.length).toBe(Math.ceil(actual.data.length / stride));
    let [worst, sum] = [0, 0];
    data.forEach((value: number, i: number) => {
      const error = Math.abs(actual.data[i * stride]! - value);
      worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
      sum += error;
    });
    expect(worst).toBeLessThanOrEqual(toleranceOf(output));
    expect(sum / data.length).toBeLessThan(0.1);
  });
});
