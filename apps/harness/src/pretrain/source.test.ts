import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRng, type InputSpec } from '@unlabel/core';
import { encodeWav } from '@unlabel/formats';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSource } from './source.ts';

let dir: string;
const ramp = Float32Array.from({ length: 1000 }, (_, i) => i / 1024);
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'source-'));
  await writeFile(join(dir, 'a.wav'), encodeWav({ sampleRate: 16000, channels: [ramp] }, 'float32'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const spec = (more: Partial<InputSpec>): InputSpec => ({ modality: 'audio', sampleRate: 16000, ...more });
const sample = (input: InputSpec, seed: number) =>
  createSource({ items: [{ path: join(dir, 'a.wav'), name: 'a' }], input, normalization: undefined }).sample(
    0,
    createRng(seed),
  );

test('several crops of an item are drawn apart, and the first is the one of a source of one', async () => {
  const input = spec({ seconds: 100 / 16000 });
  const firsts = new Set<number>();
  for (let seed = 0; seed < 20; seed++) {
    const two = await sample({ ...input, crops: 2 }, seed);
    expect(Object.keys(two)).toEqual(['audio', 'audio2']);
    expect(two['audio']).toEqual((await sample(input, seed))['audio']);
    expect(two['audio2']!.data).toHaveLength(100);
    firsts.add(two['audio2']!.data[0]! - two['audio']!.data[0]!);
  }
  expect(firsts.size).toBeGreaterThan(15);
});

test('an item shorter than a crop gets its zeros on both sides, or at its end', async () => {
  const input = spec({ seconds: 1003 / 16000 });
  const nonzero = async (padding: 'center' | 'end') =>
    [...(await sample({ ...input, padding }, 1))['audio']!.data].findIndex((x) => x > 0);
  expect(await nonzero('center')).toBe(2); // one zero of three, and the ramp begins with one of its own
  expect(await nonzero('end')).toBe(1);
});
