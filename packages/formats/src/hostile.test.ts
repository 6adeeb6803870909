import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isUnlabelError } from '@unlabel/core';
import { afterAll, describe, expect, test } from 'vitest';
import { hostileCorpus, type HostileCase } from './hostile-corpus.ts';
import { decodeNpy } from './npy.ts';
import { parseSafetensors } from './safetensors.ts';
import { openTorchCheckpoint, readTorchCheckpoint } from './torch.ts';

const work = mkdtempSync(join(tmpdir(), 'hostile-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const owned = join(work, 'owned');
const corpus = hostileCorpus(`touch ${owned}`);

/** Reads whole, tensors included. */
function read({ kind, bytes, name }: HostileCase): void {
  if (kind === 'safetensors') {
    const file = parseSafetensors(bytes, name);
    for (const tensor of file.names) file.read(tensor);
  } else if (kind === 'npy') decodeNpy(bytes, name);
  else for (const tensor of readTorchCheckpoint(bytes, name).tensors.values()) void tensor.data;
}

test('the corpus has more than a hundred cases, each with a name of its own', () => {
  expect(corpus.length).toBeGreaterThan(100);
  expect(new Set(corpus.map(({ name }) => name)).size).toBe(corpus.length);
});

describe('always an error of ours, within a second, with nothing run and no file touched', () => {
  test.each(corpus.map((one) => [one.name, one] as const))('%s', (_name, one) => {
    const before = readdirSync(work);
    const start = performance.now();
    let thrown: unknown;
    try {
      read(one);
    } catch (error) {
      thrown = error;
    }
    expect(performance.now() - start).toBeLessThan(1000);
    expect(isUnlabelError(thrown), thrown instanceof Error ? thrown.stack : 'it was read').toBe(true);
    expect(readdirSync(work)).toEqual(before);
    expect(existsSync(owned)).toBe(false);
  });
});

describe('the same from disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hostile-files-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const torch = corpus.filter(({ kind }) => kind === 'torch');
  test.each(torch.map((one, i) => [one.name, i, one.bytes] as const))('%s', (_name, i, bytes) => {
    const path = join(folder, `${i}.pt`);
    writeFileSync(path, bytes);
    const start = performance.now();
    let thrown: unknown;
    try {
      const file = openTorchCheckpoint(path);
      try {
        for (const tensor of file.tensors.values()) void tensor.data;
      } finally {
        file.close();
      }
    } catch (error) {
      thrown = error;
    }
    expect(performance.now() - start).toBeLessThan(1000);
    expect(isUnlabelError(thrown), thrown instanceof Error ? thrown.stack : 'it was read').toBe(true);
    expect(existsSync(owned)).toBe(false);
    rmSync(path);
  });
});

describe.each(['beats-small.pt', 'beats-small-legacy.pt'])('%s cut at every fiftieth', (name) => {
  const whole = readFileSync(new URL(`../fixtures/${name}`, import.meta.url));
  test.each(Array.from({ length: 49 }, (_, i) => i + 1))('%i/50', (part) => {
    const bytes = whole.subarray(0, Math.floor((whole.length * part) / 50));
    let thrown: unknown;
    try {
      read({ name, kind: 'torch', bytes });
    } catch (error) {
      thrown = error;
    }
    expect(isUnlabelError(thrown)).toBe(true);
  });
});

test('no case takes 200 MB', () => {
  const script = fileURLToPath(new URL('./hostile-run.ts', import.meta.url));
  const out = execFileSync(process.execPath, ['--expose-gc', '--conditions=@unlabel/source', '--no-warnings', script], {
    encoding: 'utf8',
  });
  const { read, worst } = JSON.parse(out) as { read: number; worst: { name: string; bytes: number } };
  expect(read).toBe(corpus.length);
  // The case of 64 MB of zeros has to show, or nothing was measured.
  expect(worst.bytes).toBeGreaterThan(30e6);
  expect(worst.bytes, worst.name).toBeLessThan(200e6);
});
