import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Embedder } from '@unlabel/core';
import { encodeWav } from '@unlabel/formats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { validateEmbedder } from '../../validate/validate.ts';
import { parseModel } from '../resolve.ts';
import { groupsOfLength, pythonEmbedder, type PythonModelRef } from './python-embedder.ts';

const modules = fileURLToPath(new URL('../../../fixtures/python', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'unlabel-python-'));
const hasPython = ((): boolean => {
  try {
    execFileSync('python3', ['-c', 'import sys; assert sys.version_info >= (3, 8)'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

beforeAll(() => {
  process.env['PYTHONPATH'] = modules;
  process.env['PYTHONDONTWRITEBYTECODE'] = '1';
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

const ref = (changes: Partial<PythonModelRef> = {}): PythonModelRef => ({
  ...(parseModel('python:toyhear', 0) as PythonModelRef),
  ...changes,
});
const tone = (hz: number, samples: number): Float32Array =>
  Float32Array.from({ length: samples }, (_, t) => 0.5 * Math.sin((2 * Math.PI * hz * t) / 16000));

test('a reference says module, weights, Python and patience', () => {
  expect(parseModel('python:a.b?weights=w.pt&python=/opt/p&timeout=5', 0)).toEqual({
    kind: 'python',
    id: 'a.b',
    module: 'a.b',
    weights: 'w.pt',
    python: '/opt/p',
    timeout: 5,
  });
  expect(parseModel('python:a', 0, { weights: 'x', python: 'py' })).toMatchObject({
    weights: 'x',
    python: 'py',
    timeout: 600,
  });
  expect(() => parseModel('python:a;b', 0)).toThrow('python:MODULE');
  expect(() => parseModel('python:a?weight=1', 0)).toThrow('weights');
});

test('clips of equal length share a call, at most 64', () => {
  const clips = [4, 3, 4, 3, 5].map((length) => new Float32Array(length));
  expect(groupsOfLength(clips)).toEqual([[0, 2], [1, 3], [4]]);
  expect(groupsOfLength(Array.from({ length: 100 }, () => new Float32Array(1))).map((group) => group.length)).toEqual([
    64, 36,
  ]);
});

describe.skipIf(!hasPython)('a module with the HEAR API (skipped without python3)', () => {
  const using = async <T>(changes: Partial<PythonModelRef>, body: (embedder: Embedder) => Promise<T>): Promise<T> => {
    const embedder = await pythonEmbedder(ref(changes));
    try {
      return await body(embedder);
    } finally {
      embedder.dispose?.();
    }
  };

  test('embeds clips of several lengths, whatever it prints, in the order they were given', async () => {
    await using({}, async (embedder) => {
      expect(embedder).toMatchObject({ sampleRate: 16000, sceneEmbeddingSize: 4, timestampEmbeddingSize: 4 });
      const clips = [tone(440, 16000), tone(110, 8000), tone(880, 16000)];
      const rows = await embedder.embedScenes(clips);
      const strongest = [0, 1, 2].map((i) =>
        [...rows.subarray(4 * i, 4 * i + 4)].indexOf(Math.max(...rows.subarray(4 * i, 4 * i + 4))),
      );
      expect(strongest).toEqual([2, 0, 3]);
      const { embeddings, timestamps } = await embedder.embedTimestamps!(tone(220, 16000));
      expect([embeddings.length, [...timestamps.subarray(0, 3)]]).toEqual([80, [25, 75, 125]]);
    });
  });

  test('passes the validator', async () => {
    const findings = await using({}, (embedder) => validateEmbedder(embedder));
    expect(findings.filter(({ level }) => level !== 'ok')).toEqual([]);
    expect(findings.length).toBeGreaterThan(9);
  });

  test('has a fingerprint of its sources and of its weights', async () => {
    const [a, b] = ['a.bin', 'b.bin'].map((name) => join(work, name)) as [string, string];
    writeFileSync(a, 'one');
    writeFileSync(b, 'two');
    const prints = [];
    for (const weights of ['', a, b, a])
      prints.push(await using({ weights }, ({ fingerprint }) => Promise.resolve(fingerprint)));
    expect(new Set(prints).size).toBe(3);
    expect(prints[3]).toBe(prints[1]);
  });

  test.each([
    [{ module: 'nosuchmodule' }, 'No module named'],
    [{ module: 'json' }, 'no function load_model, get_scene_embeddings, get_timestamp_embeddings'],
    [{ weights: 'broken.bin' }, 'load_model: ValueError: the weights are of another model'],
    [{ python: 'nosuchpython' }, 'there is no nosuchpython. Name one with --python'],
  ])('what fails before it runs is named: %o', async (changes, message) => {
    await expect(pythonEmbedder(ref(changes))).rejects.toThrow(message);
  });

  test.each([
    ['crash.bin', /exit code 7[\s\S]*about to crash/],
    ['double.bin', 'expected float32, found float64'],
    ['shape.bin', 'expected [2, 4], found [2, 3]'],
  ])('what fails while it runs is named: %s', async (weights, message) => {
    await using({ weights }, async (embedder) => {
      await expect(embedder.embedScenes([tone(440, 1600), tone(220, 1600)])).rejects.toThrow(message);
    });
  });

  test('a call that does not end is stopped, timestamps that run backwards are refused', async () => {
    await using({ weights: 'hang.bin', timeout: 2 }, async (embedder) => {
      await expect(embedder.embedScenes([tone(440, 1600)])).rejects.toThrow(/1 x 1600 samples did not end within 2 s/);
    });
    await using({ weights: 'backwards.bin' }, async (embedder) => {
      await expect(embedder.embedTimestamps!(tone(440, 16000))).rejects.toThrow('timestamps must rise');
    });
  });

  test('is embedded with and refused by the command line, without leaving a process', { timeout: 30_000 }, async () => {
    const wav = join(work, 'tone.wav');
    writeFileSync(wav, encodeWav({ sampleRate: 16000, channels: [tone(440, 16000)] }));
    const run = (args: readonly string[]): Promise<{ code: number | null; text: string }> => {
      const cli = fileURLToPath(new URL('../../cli.ts', import.meta.url));
      const child = spawn(process.execPath, ['--conditions=@unlabel/source', '--no-warnings', cli, ...args]);
      let text = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (bytes: Buffer) => (text += bytes.toString()));
      return new Promise((resolve) => child.on('close', (code) => resolve({ code, text })));
    };
    const out = join(work, 'one.npy');
    expect(await run(['embed', 'python:toyhear', wav, '-o', out, '--display', 'none'])).toMatchObject({ code: 0 });
    expect(readFileSync(out).length).toBeGreaterThan(100);
    const refused = await run(['validate', 'python:toyhear?weights=nan.bin', '--display', 'none']);
    expect(refused.code).toBe(1);
    expect(refused.text).toContain('clip 1 has NaN at 2');
    expect(execFileSync('ps', ['ax', '-o', 'args']).toString()).not.toContain('bridge.py toyhear nan.bin');
  });
});
