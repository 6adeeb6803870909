/** Every registered method, whatever it is, meets the contract. A new method gets these tests without writing them. */
import { mkdtemp, readFile, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cardSchema, createRng, load } from '@unlabel/core';
import { leakCheck, testEngine, tf } from '@unlabel/engine';
import { parseSafetensors } from '@unlabel/formats';
import { silentDisplay } from './display/display.ts';
import { openImageModel, openModel, parseModel } from './models/resolve.ts';
import { resolveMethod } from './pretrain/recipe.ts';
import { pretrain } from './pretrain/run.ts';
import { methods } from './registry.ts';
import { readLog } from './run-dir.ts';
import { writePictures } from './testing/pictures.ts';
import { writeScenes } from './testing/scenes.ts';
import { writeSounds } from './testing/sounds.ts';

const folder = await mkdtemp(join(tmpdir(), 'methods-'));
const data: Readonly<Record<string, string>> = {
  audio: join(folder, 'sounds'),
  image: join(folder, 'pictures'),
  'audio-visual': join(folder, 'scenes'),
};
beforeAll(async () => {
  await testEngine();
  await writeSounds(data['audio']!, { count: 12, seconds: 1.2 });
  await writePictures(data['image']!, { count: 12, width: 40, height: 32 });
  await writeScenes(data['audio-visual']!, { count: 8, seconds: 2 });
});
afterAll(() => tf.disposeVariables());

const modalities = new Map<string, string>();
for (const id of Object.keys(methods)) modalities.set(id, (await load(methods, id, 'method')).card.modality);

interface Run {
  readonly steps: number;
  readonly seed?: number;
  /** Of views; by default they are made in the thread that trains. */
  readonly workers?: number;
}

function run(method: string, out: string, { steps, seed = 3, workers = 0 }: Run): Promise<unknown> {
  return pretrain({
    method,
    preset: 'smoke',
    overrides: { recipe: { steps } },
    data: [data[modalities.get(method)!]!],
    seed,
    out: join(folder, out),
    engine: {},
    workers,
    checkpointSeconds: 1e9,
    display: silentDisplay,
  });
}

const weights = (out: string): Promise<Buffer> => readFile(join(folder, out, 'model', 'model.safetensors'));

describe.each(Object.keys(methods))('%s', (id) => {
  test('describes itself, and its defaults and presets parse', async () => {
    const method = await load(methods, id, 'method');
    expect(method.id).toBe(id);
    expect(() => cardSchema.parse(method.card)).not.toThrow();
    expect(Object.keys(method.presets)).toEqual(expect.arrayContaining(['paper', 'smoke']));
    expect(method.presets['paper']!.config ?? {}).toEqual({});
    for (const preset of Object.keys(method.presets)) expect(() => resolveMethod(method, preset, {})).not.toThrow();
    expect(() => resolveMethod(method, 'paper', { noSuchField: 1 })).toThrow(/noSuchField/);
  });

  test('trains: its loss falls, its network changes, nothing leaks', { timeout: 180_000 }, async () => {
    const steps = 14;
    const { tensors } = await leakCheck(() => run(id, `${id}-falls`, { steps }));
    expect(tensors).toBe(0);
    const isStaged = (await load(methods, id, 'method')).stages !== undefined;
    const path = join(folder, `${id}-falls`);
    const parts = isStaged ? (await readdir(join(path, 'stages'))).map((stage) => join(path, 'stages', stage)) : [path];
    for (const part of parts) {
      const log = await readLog(join(part, 'log.jsonl'));
      expect(log.at(-1)!.step).toBe(steps);
      expect(log.at(-1)!['loss']).toBeLessThan(log[0]!['loss']!);
    }
    const initial = await readFile(join(folder, `${id}-falls`, 'model-init', 'model.safetensors'));
    expect((await weights(`${id}-falls`)).equals(initial)).toBe(false);
  });

  test(
    'gives the same bytes for the same seed, in whatever thread views are made, and others for another',
    { timeout: 180_000 },
    async () => {
      await run(id, `${id}-a`, { steps: 3 });
      await run(id, `${id}-b`, { steps: 3, workers: 1 });
      await run(id, `${id}-c`, { steps: 3, seed: 4 });
      expect((await weights(`${id}-a`)).equals(await weights(`${id}-b`))).toBe(true);
      expect((await weights(`${id}-a`)).equals(await weights(`${id}-c`))).toBe(false);
    },
  );

  test.runIf(modalities.get(id) === 'audio')(
    'embeds clips of any length at the width it states, and its checkpoint round-trips',
    async () => {
      const embedder = await openModel(parseModel(join(folder, `${id}-a`), 0));
      const rng = createRng(1);
      const clips = [16000, 16000, 5000, 200, 40000].map((n) =>
        Float32Array.from({ length: n }, () => 0.1 * rng.normal()),
      );
      const together = await embedder.embedScenes(clips);
      expect(together.length).toBe(clips.length * embedder.sceneEmbeddingSize);
      expect(together.every(Number.isFinite)).toBe(true);
      const again = await openModel(parseModel(join(folder, `${id}-a`), 0));
      expect(await again.embedScenes(clips)).toEqual(together);
      expect(again.fingerprint).toBe(embedder.fingerprint);
      if (embedder.timestampEmbeddingSize > 0) {
        const { embeddings, timestamps } = await embedder.embedTimestamps!(clips[0]!);
        expect(embeddings.length).toBe(timestamps.length * embedder.timestampEmbeddingSize);
        const hops = timestamps.slice(1).map((t, i) => t - timestamps[i]!);
        expect(Math.max(...hops) - Math.min(...hops)).toBeLessThan(1);
        expect(timestamps.at(-1)).toBeLessThanOrEqual(1000);
      }
      const { names } = parseSafetensors(await weights(`${id}-a`));
      expect(names.length).toBeGreaterThan(0);
      embedder.dispose?.();
      again.dispose?.();
    },
  );

  test.runIf(modalities.get(id) === 'image')(
    'embeds images of any size at the width it states, and its checkpoint round-trips',
    async () => {
      const ref = parseModel(join(folder, `${id}-a`), 0);
      const [embedder, again] = [await openImageModel(ref), await openImageModel(ref)];
      const rng = createRng(1);
      const images = [[16, 16], [40, 24], [9, 31], [1, 1]].map(([width, height]) => ({
        width: width!,
        height: height!,
        data: Uint8Array.from({ length: width! * height! * 3 }, () => rng.int(256)),
      })); // prettier-ignore
      for (const crop of ['center', 'stretch'] as const) {
        const together = await embedder.embedImages(images, crop);
        expect(together.length).toBe(images.length * embedder.embeddingSize);
        expect(together.every(Number.isFinite)).toBe(true);
        expect(await again.embedImages(images, crop)).toEqual(together);
      }
      expect(again.fingerprint).toBe(embedder.fingerprint);
      embedder.dispose?.();
      again.dispose?.();
    },
  );
});
