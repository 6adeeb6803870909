import { buildAudioNtt, buildBeats } from '@unlabel/backbones';
import { createRng, type Backbone, type ModelConfig } from '@unlabel/core';
import { useEngine } from '@unlabel/engine';
import { beforeAll, expect, test } from 'vitest';
import { networkEmbedder } from './network-embedder.ts';
import { bytesPerFrame } from './passes.ts';

beforeAll(async () => {
  await useEngine({ engine: 'wasm', threads: 1 });
});

const bands = 64;
const build = (version: '2020' | '2022') => buildAudioNtt({ width: 24, bands, version }, createRng(3));
const embedderOf = (backbone: Backbone, frontEnd: object = {}) =>
  networkEmbedder({
    id: 'tiny',
    backbone,
    config: {
      method: 'test',
      input: { kind: 'audio', sampleRate: 16000, frontEnd: { kind: 'log-mel', ...frontEnd } },
      normalization: { mean: -5, std: 4 },
    } as unknown as ModelConfig,
    fingerprint: 'tiny',
    source: 'test',
  });
const noise = (seconds: number): Float32Array => {
  const rng = createRng(7);
  return Float32Array.from({ length: Math.round(16000 * seconds) }, () => rng.range(-0.5, 0.5));
};

test.each(['2020', '2022'] as const)('a long clip gives the same window by window, %s network', async (version) => {
  const backbone = build(version);
  const embedder = embedderOf(backbone);
  const audio = noise(6.13);
  const whole = await embedder.embedScenes([audio]);
  const frames = await embedder.embedTimestamps!(audio);
  embedder.setMemory!(2 * 90 * (await bytesPerFrame(backbone, bands))); // 90 of 614 frames at once
  const cut = await embedder.embedScenes([audio]);
  const cutFrames = await embedder.embedTimestamps!(audio);
  expect(cutFrames.timestamps).toEqual(frames.timestamps);
  expect(cutFrames.embeddings.length).toBe(frames.embeddings.length);
  // float32 products of other shapes round in other orders
  const apart = (a: Float32Array, b: Float32Array) => a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
  expect(apart(cutFrames.embeddings, frames.embeddings)).toBeLessThan(1e-5);
  expect(apart(cut, whole)).toBeLessThan(1e-5);
  expect(await embedder.memoryOf!(audio.length)).toBeGreaterThan(1e6);
  embedder.dispose!();
});

test('timestamps are the centers of the frames in ms, evenly spaced and within the clip', async () => {
  const backbone = build('2020');
  const embedder = embedderOf(backbone);
  for (const seconds of [0.3, 1.07, 1.98, 4]) {
    const { embeddings, timestamps } = await embedder.embedTimestamps!(noise(seconds));
    expect(embeddings.length).toBe(timestamps.length * embedder.timestampEmbeddingSize);
    expect(timestamps[0]).toBeCloseTo(35, 4); // frames at 0, 10 … 70 ms behind the first output
    for (let t = 1; t < timestamps.length; t++) expect(timestamps[t]! - timestamps[t - 1]!).toBeCloseTo(80, 3);
    expect(timestamps.at(-1)!).toBeLessThanOrEqual(seconds * 1000);
  }
  const uncentered = embedderOf(backbone, { center: false });
  expect((await uncentered.embedTimestamps!(noise(1))).timestamps[0]).toBeCloseTo(35 + 32, 4); // half of 1024 samples
  embedder.dispose!();
});

test('a clip shorter than one output frame still has an embedding', async () => {
  const embedder = embedderOf(build('2020'));
  const scene = await embedder.embedScenes([noise(0.01), noise(0.3)]);
  expect(scene.every(Number.isFinite)).toBe(true);
  expect((await embedder.embedTimestamps!(noise(0.01))).timestamps).toHaveLength(1);
  embedder.dispose!();
});

test('a network that sees the whole clip takes a long one in windows of nearly equal length', async () => {
  const sizes = { patchWidth: 6, layers: 1, width: 8, hidden: 12, heads: 2, positionKernel: 4, positionGroups: 2 };
  const backbone = buildBeats({ ...sizes, bands, buckets: 8, windowFrames: 200 }, createRng(3));
  const embedder = embedderOf(backbone, { center: false });
  const audio = noise(6.13); // 607 frames: 37 patches, in four windows of 10, 10, 10 and 7
  const { embeddings, timestamps } = await embedder.embedTimestamps!(audio);
  expect(timestamps).toHaveLength(37);
  const second = await embedder.embedTimestamps!(audio.subarray(160 * 160, 319 * 160 + 1024)); // frames 160 … 319
  expect(second.timestamps).toHaveLength(10);
  second.embeddings.forEach((value, i) => expect(embeddings[80 + i]).toBeCloseTo(value, 5));
  const scene = await embedder.embedScenes([audio, noise(1), audio]);
  const mean = Float32Array.from({ length: 8 }, (_, d) => {
    let sum = 0;
    for (let t = 0; t < 37; t++) sum += embeddings[t * 8 + d]!;
    return sum / 37;
  });
  mean.forEach((value, d) => {
    expect(scene[d]).toBeCloseTo(value, 5);
    expect(scene[16 + d]).toBeCloseTo(value, 5);
  });
  embedder.dispose!();
});
