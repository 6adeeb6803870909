import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFrontEnd, frontEndSchema } from '@unlabel/audio';
import { createRng, goldenUniform, parseConfig } from '@unlabel/core';
import { readJson } from '@unlabel/formats';
import { afterAll, describe, expect, test } from 'vitest';
import { validateEmbedder } from '../../validate/validate.ts';
import { parseModel } from '../resolve.ts';
import { describeOnnx, onnxEmbedder, type OnnxModelRef } from './onnx-embedder.ts';
import { sidecarSchema } from './sidecar.ts';

const file = fileURLToPath(new URL('../../../fixtures/onnx/toy.onnx', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'unlabel-onnx-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const ref: OnnxModelRef = { kind: 'onnx', id: 'toy', file };
const runtime = 'onnxruntime-node';
const hasRuntime = await import(runtime).then(
  () => true,
  () => false,
);

const noise = (samples: number, label: string): Float32Array => {
  const rng = createRng(1).fork(label);
  return Float32Array.from({ length: samples }, () => rng.range(-0.5, 0.5));
};

/** The fixture's network written out: its weights follow the goldens' hash rule. */
async function literalFrames(audio: Float32Array): Promise<{ frames: Float64Array; count: number }> {
  const sidecar = parseConfig(sidecarSchema, await readJson(`${file}.json`), 'sidecar');
  const { data, shape } = createFrontEnd(frontEndSchema.parse(sidecar.input.frontEnd)).apply(audio);
  const [bands, count] = shape as [number, number];
  const { mean, std } = sidecar.input.normalization!;
  const [weight, bias] = [goldenUniform('conv.weight', 0, 8 * bands * 3), goldenUniform('conv.bias', 0, 8)];
  const frames = new Float64Array(count * 8);
  for (let t = 0; t < count; t++) {
    for (let d = 0; d < 8; d++) {
      let sum = 0.1 * bias[d]!;
      for (let f = 0; f < bands; f++) {
        for (let k = -1; k <= 1; k++) {
          if (t + k < 0 || t + k >= count) continue;
          sum += 0.2 * weight[(d * bands + f) * 3 + k + 1]! * ((data[f * count + t + k]! - mean) / std);
        }
      }
      frames[t * 8 + d] = Math.max(sum, 0);
    }
  }
  return { frames, count };
}

test('a file without its sidecar, and a sidecar that is none, are named', async () => {
  const lonely = join(work, 'lonely.onnx');
  copyFileSync(file, lonely);
  expect(() => parseModel(lonely, 0)).toThrow('its front-end is missing. Write');
  expect(() => parseModel(join(work, 'absent.onnx'), 0)).toThrow('there is no such file');
  writeFileSync(`${lonely}.json`, '{"sampleRate": 16000, "input": {"frontEnd": "wave"}}');
  await expect(describeOnnx(lonely)).rejects.toThrow('lonely.onnx.json');
});

test('the fingerprint is of file and sidecar', async () => {
  const copy = join(work, 'copy.onnx');
  copyFileSync(file, copy);
  copyFileSync(`${file}.json`, `${copy}.json`);
  const before = (await describeOnnx(copy)).fingerprint;
  expect(before).toBe((await describeOnnx(file)).fingerprint);
  const sidecar = (await readJson(`${copy}.json`)) as Record<string, unknown>;
  writeFileSync(`${copy}.json`, JSON.stringify({ ...sidecar, id: 'other' }));
  expect((await describeOnnx(copy)).fingerprint).not.toBe(before);
});

test.runIf(!hasRuntime)('without onnxruntime-node it says what to install', async () => {
  await expect(onnxEmbedder(ref)).rejects.toThrow('npm install onnxruntime-node');
});

describe.skipIf(!hasRuntime)('through onnxruntime-node (skipped where it is not installed)', () => {
  test('scenes and frames are those of the network written out, to 1e-5', async () => {
    const embedder = await onnxEmbedder(ref);
    const clips = [noise(16000, 'a'), noise(9000, 'b'), noise(16000, 'c')];
    const scenes = await embedder.embedScenes(clips);
    for (const [i, clip] of clips.entries()) {
      const { frames, count } = await literalFrames(clip);
      for (let d = 0; d < 8; d++) {
        let mean = 0;
        for (let t = 0; t < count; t++) mean += frames[t * 8 + d]! / count;
        expect(Math.abs(scenes[8 * i + d]! - mean)).toBeLessThan(1e-5);
      }
    }
    const { embeddings, timestamps } = await embedder.embedTimestamps!(clips[0]!);
    const { frames } = await literalFrames(clips[0]!);
    embeddings.forEach((value, i) => expect(Math.abs(value - frames[i]!)).toBeLessThan(1e-5));
    expect([timestamps.length, timestamps[3]]).toEqual([100, 30]);
    const findings = await validateEmbedder(embedder);
    expect(findings.filter(({ level }) => level !== 'ok')).toEqual([]);
    embedder.dispose?.();
  });

  test('names that the file lacks are refused', async () => {
    const copy = join(work, 'names.onnx');
    copyFileSync(file, copy);
    const sidecar = (await readJson(`${file}.json`)) as Record<string, unknown>;
    writeFileSync(`${copy}.json`, JSON.stringify({ ...sidecar, scene: { output: 'pooled', size: 8 } }));
    await expect(onnxEmbedder({ ...ref, file: copy })).rejects.toThrow(
      'scene.output is pooled; the file has scene, frames',
    );
  });
});
