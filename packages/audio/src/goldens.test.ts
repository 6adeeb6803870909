import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { goldenAudio, goldenParameter, goldenTensor, sizeOf, type GoldenFile, type GoldenTools } from '@unlabel/core';
import { parseSafetensors } from '@unlabel/formats';
import { goldens } from './goldens.ts';

const fixtures = new URL('../fixtures/', import.meta.url);

interface Output {
  name: string;
  shape: number[];
  stride: number;
  atol?: number;
  rtol?: number;
}
interface Golden extends GoldenFile {
  seed: number;
  outputs: Output[];
  tolerance: { atol: number; rtol: number };
}

function toolsFor(seed: number, stored: GoldenTools['stored']): GoldenTools {
  return {
    dir: '',
    tensor: (key, shape, scale) => goldenTensor(key, seed, shape, scale),
    audio: (name, samples, sampleRate, row) => goldenAudio(name, seed, samples, sampleRate, row),
    parameter: (key, shape) => goldenParameter(key, seed, shape),
    stored,
  };
}

/** How far the worst element is beyond atol + rtol·|b|: above 1 fails. */
function excess(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  stride: number,
  atol: number,
  rtol: number,
): number {
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i * stride]! - expected[i]!);
    worst = Math.max(worst, Number.isNaN(error) ? Infinity : error / (atol + rtol * Math.abs(expected[i]!)));
  }
  return worst;
}

describe.each(['fe-mel', 'fe-stft', 'fe-resample', 'fe-kaldi-fbank', 'mtslvr-frontend'])('%s', (name) => {
  const golden = JSON.parse(readFileSync(new URL(`${name}.json`, fixtures), 'utf8')) as Golden;
  const stored = parseSafetensors(readFileSync(new URL(`${name}.safetensors`, fixtures)), name);
  const tools = toolsFor(golden.seed, (key) => (stored.names.includes(key) ? stored.read(key) : undefined));
  const outputs = (goldens[`${name}*`] ?? goldens[name]!).run(golden, tools);

  test.each(golden.outputs)('$name', async (output) => {
    const actual = (await outputs)[output.name];
    if (actual === undefined || typeof actual === 'number') throw new Error(`${output.name} is missing`);
    expect(actual.shape).toEqual(output.shape);
    const { atol = golden.tolerance.atol, rtol = golden.tolerance.rtol } = output;
    const expected = stored.read(output.name).data;
    expect(expected.length).toBe(Math.ceil(sizeOf(output.shape) / output.stride));
    const worst = excess(actual.data, expected, output.stride, atol, rtol);
    if (process.env['GOLDEN_PRINT']) process.stderr.write(`${name} ${output.name} ${worst.toFixed(3)}\n`);
    expect(worst).toBeLessThanOrEqual(1);
  });
});
