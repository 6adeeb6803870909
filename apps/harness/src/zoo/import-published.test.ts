import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFrontEnd, frontEnds } from '@unlabel/audio';
import { goldenAudio, type Embedder } from '@unlabel/core';
import { checkGolden, failuresOf, testEngine, tf } from '@unlabel/engine';
import { parseSafetensors } from '@unlabel/formats';
import { loadModelDir, networkEmbedder } from '@unlabel/zoo';
import { readCard, readModelConfig } from '@unlabel/zoo/files';
import { atstCheckpoints } from './golden-atst.ts';
import { importFile, type ImportFileOptions } from './import.ts';

const fixtures = join(dirname(fileURLToPath(import.meta.resolve('@unlabel/backbones/package.json'))), 'fixtures');
const work = mkdtempSync(join(tmpdir(), 'import-published-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
beforeAll(() => testEngine());

const golden = (name: string, output: string): Float32Array => {
  const path = join(fixtures, `${name}.safetensors`);
  return Float32Array.from(parseSafetensors(readFileSync(path), path).readFloat32(output).data);
};

async function imported(
  file: string,
  options: Partial<ImportFileOptions> = {},
  from = join(fixtures, 'weights'),
): Promise<Embedder> {
  const out = join(work, `${file}.model`);
  const { isUsable } = await importFile(join(from, file), {
    out,
    strict: true,
    dtype: 'float32',
    licence: 'MIT',
    ...options,
  });
  expect(isUsable).toBe(true);
  return networkEmbedder({ ...(await loadModelDir(out)), id: file, source: out });
}

function expectClose(found: Float32Array, expected: Float32Array, { atol, rtol }: { atol: number; rtol: number }) {
  expect(found.length).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs(found[i]! - value), `value ${i}`).toBeLessThanOrEqual(atol + rtol * Math.abs(value));
  });
}

test('the published tempo network is imported from its own file and embeds as its authors run it', async () => {
  const embedder = await imported('tempo-tcn.pt', { licence: 'ISC' });
  const audio = goldenAudio('tempo', 20240611, 600_000, 44100).data;
  const scene = await embedder.embedScenes([audio]);
  // `tempo_block.dense` before its ELU; the golden's fifth row is this audio
  expectClose(scene, golden('tempo-real', 'dense_pre_elu').slice(4 * 16), { atol: 1e-4, rtol: 1e-4 });

  const { embeddings, timestamps } = await embedder.embedTimestamps!(audio);
  expect([timestamps.length, embeddings.length]).toEqual([1357, 1357 * 16]);
  expect([timestamps[0], timestamps[1], timestamps[1356]]).toEqual([20, 30, 13_580]); // two frames are lost at either end

  const short = await embedder.embedScenes([audio.subarray(0, 100)]);
  expect(short.every(Number.isFinite)).toBe(true);
  embedder.dispose?.();
});

test('the published BYOL-S network is imported with the statistics of its data and embeds as its authors run it', async () => {
  const embedder = await imported('byol-s-d512.safetensors', { normalization: { mean: -5.4919, std: 5.0389 } });
  const { seed } = JSON.parse(readFileSync(join(fixtures, 'byols-real-d512.json'), 'utf8')) as { seed: number };
  const scene = await embedder.embedScenes([goldenAudio('byols-c095', seed, 15_200, 16_000).data]);
  expectClose(scene, golden('byols-real-d512', 'c095.torchaudio.embedding'), { atol: 1e-4, rtol: 1e-4 });
  embedder.dispose?.();
});

test('BEATs’ small golden checkpoints are imported with their cfg and embed as the authors’ code runs them', async () => {
  const audio = (row: number): Float32Array => goldenAudio('beats-small', 20240611, 16_000, 16_000, row).data;
  const from = join(dirname(fileURLToPath(import.meta.resolve('@unlabel/zoo/package.json'))), 'fixtures', 'import');
  for (const file of ['beats-small.pt', 'beats-small-legacy.pt', 'beats-small-finetuned.pt']) {
    const embedder = await imported(file, {}, from);
    const scene = await embedder.embedScenes([audio(0), audio(1)]);
    expectClose(scene, golden('beats-small', 'deep.nomask.output_mean_over_tokens'), { atol: 1e-4, rtol: 1e-3 });
    const { embeddings, timestamps } = await embedder.embedTimestamps!(audio(0));
    const tokens = golden('beats-small', 'deep.nomask.output').slice(0, 48 * 48); // row 0, 6 × 8 tokens of 48
    const means = Float32Array.from({ length: 6 * 48 }, (_, i) => {
      const first = Math.floor(i / 48) * 8 * 48 + (i % 48);
      return Array.from({ length: 8 }, (_, k) => tokens[first + k * 48]!).reduce((a, b) => a + b) / 8;
    });
    expectClose(embeddings, means, { atol: 1e-4, rtol: 1e-3 });
    expect([timestamps[0], timestamps[1]]).toEqual([12.5 + 75, 12.5 + 75 + 160]); // the middle of 16 frames of 25 ms
    embedder.dispose?.();
  }
});

describe('ATST’s golden checkpoints', () => {
  const zoo = join(dirname(fileURLToPath(import.meta.resolve('@unlabel/zoo/package.json'))), 'fixtures');

  test('of both families give what the authors’ code gives', async () => {
    expect(failuresOf(await checkGolden(join(zoo, 'atst-checkpoints'), atstCheckpoints))).toEqual([]);
  });

  test('are imported from the teacher and embed clips and frames of 40 ms behind the published front-end', async () => {
    const audio = goldenAudio('atst', 20240611, 208_000, 16_000).data; // 13 s: more than a chunk
    const files = ['atst-clip-tiny-lightning.ckpt', 'atst-clip-tiny-dino.ckpt', 'atst-frame-tiny-lightning.ckpt'];
    const scenes: Float32Array[] = [];
    for (const file of files) {
      const embedder = await imported(file, {}, join(zoo, 'import'));
      const { embeddings, timestamps } = await embedder.embedTimestamps!(audio);
      expect(embeddings.length).toBe(timestamps.length * 2 * 32); // two blocks
      // 1301 frames in chunks of 601 or 1001, what is no whole patch left out of each; a patch stands at 0, 10, 20, 30 ms
      const count = file.includes('frame') ? 250 + 75 : 150 + 150 + 24;
      expect([timestamps.length, timestamps[0], timestamps[1]]).toEqual([count, 15, 55]);
      scenes.push(await embedder.embedScenes([audio]));
      embedder.dispose?.();
    }
    expect(scenes.map(({ length }) => length)).toEqual([4 * 32, 4 * 32, 2 * 32]);
    expect(scenes[1]).toEqual(scenes[0]); // one network, two layouts

    const frame = await loadModelDir(join(work, `${files[2]}.model`));
    const mel = createFrontEnd(frontEnds.atst).apply(audio);
    const { clip } = frame.backbone.forward(tf.tensor3d(mel.data, [1, 64, 1301]), { training: false });
    expectClose(scenes[2]!, Float32Array.from(clip.dataSync()), { atol: 1e-6, rtol: 0 });
  });
});

test('one network under three front-ends: the upstream says whose it is, and the card how wide it embeds', async () => {
  const frontEndOf = async (upstream?: string) => {
    const out = join(work, `byol.${upstream ?? 'detected'}`);
    const from = join(fixtures, 'weights', 'byol-s-d512.safetensors');
    await importFile(from, { out, strict: true, dtype: 'float32', licence: 'MIT', upstream });
    const { input, embedding } = await readModelConfig(out);
    expect(embedding).toEqual({ scene: 512, timestamp: 512 });
    return { ...(input['frontEnd'] as object), cautions: (await readCard(out)).limits.length };
  };
  expect(await frontEndOf()).toEqual({ kind: 'log-mel', cautions: 1 });
  expect(await frontEndOf('byol-s')).toEqual({ kind: 'log-mel', winLength: 400, cautions: 0 });
  expect(await frontEndOf('byol-a')).toEqual({ kind: 'log-mel', melScale: 'slaney', melNorm: 'slaney', cautions: 0 });
  expect(await frontEndOf('delores')).toMatchObject({ melScale: 'slaney', powerOffset: 2.22e-16, cautions: 0 });
});
