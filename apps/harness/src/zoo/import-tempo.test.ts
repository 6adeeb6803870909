import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { goldenAudio } from '@unlabel/core';
import { testEngine } from '@unlabel/engine';
import { loadModelDir, networkEmbedder } from '@unlabel/zoo';
import { importFile } from './import.ts';

const weights = fileURLToPath(import.meta.resolve('@unlabel/backbones/package.json')).replace(
  'package.json',
  'fixtures/weights/tempo-tcn.pt',
);
const work = mkdtempSync(join(tmpdir(), 'import-tempo-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
beforeAll(() => testEngine());

/** `tempo_block.dense` of the authors' network on the golden's audio (tempo-real, `dense_pre_elu`, last row). */
const published = [
  -0.083333, -0.207371, -0.107483, -0.469893, 0.138017, -0.04936, -0.104642, 0.23004, 0.191435, 0.213634, -0.178159,
  0.180793, 0.16358, 0.174724, -0.15413, -0.187839,
];

test('the published tempo network is imported from its own file and embeds as its authors run it', async () => {
  const out = join(work, 'tempo');
  const { isUsable } = await importFile(weights, { out, strict: true, dtype: 'float32', licence: 'ISC' });
  expect(isUsable).toBe(true);
  const loaded = await loadModelDir(out);
  const embedder = networkEmbedder({ ...loaded, id: 'tempo', source: out });
  const audio = goldenAudio('tempo', 20240611, 600_000, 44100).data;

  const scene = await embedder.embedScenes([audio]);
  expect(scene.length).toBe(16);
  published.forEach((value, i) => expect(scene[i], `dimension ${i}`).toBeCloseTo(value, 4));

  const { embeddings, timestamps } = await embedder.embedTimestamps(audio);
  expect([timestamps.length, embeddings.length]).toEqual([1357, 1357 * 16]);
  expect([timestamps[0], timestamps[1], timestamps[1356]]).toEqual([20, 30, 13_580]); // two frames are lost at either end

  const short = await embedder.embedScenes([audio.subarray(0, 100)]);
  expect(short.every(Number.isFinite)).toBe(true);
  embedder.dispose();
});
