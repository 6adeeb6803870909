import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildAudioNtt, buildResnet } from '@unlabel/backbones';
import { createRng, type ModelConfig, type NdArray } from '@unlabel/core';
import { testEngine, toArrays } from '@unlabel/engine';
import { openSafetensors, writeJsonAtomic } from '@unlabel/formats';
import { encodePng } from '@unlabel/image';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { cardText, modelCardSchema, readCard, writeCard } from './card.ts';
import { findCheckpoint, isCheckpointId, resolveCheckpoint } from './find.ts';
import { imageEmbedder } from './image-embedder.ts';
import { load } from './load.ts';
import { readManifest, verifyCheckpoint, writeManifest } from './manifest.ts';
import { loadModelDir, saveModelDir } from './model-dir.ts';
import { countValues, fingerprintFile, isModelDir } from './model-files.ts';
import { openWeights, shardIndexFile, weightFiles, writeWeights } from './weights.ts';

beforeAll(() => testEngine());
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'zoo-'));
});
afterEach(() => rm(dir, { recursive: true }));

const arrays = (): Record<string, NdArray> => {
  const rng = createRng(1);
  const make = (...shape: number[]): NdArray => ({
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
    shape,
  });
  return { 'a.weight': make(8, 4), 'a.bias': make(8), 'b.weight': make(16, 8), 'empty.weight': make(0, 4) };
};

const config: ModelConfig = {
  schema: 1,
  method: 'test',
  methodConfig: {},
  backbone: { id: 'audio-ntt', config: { version: '2020', bands: 64, width: 24, dropout: 0 } },
  input: { modality: 'audio', sampleRate: 16000, frontEnd: { kind: 'log-mel' } },
  normalization: { mean: -5, std: 4 },
  training: { seed: 0, steps: 1, items: 1, sawUnlabelled: [] },
};
const network = () => buildAudioNtt({ width: 24, bands: 64, version: '2020', dropout: 0 }, createRng(5));

describe('weights', () => {
  test('are one file, or shards with an index, with the same tensors', async () => {
    const [one, many] = [join(dir, 'one'), join(dir, 'many')];
    await writeWeights(one, arrays());
    await writeWeights(many, arrays(), { shardBytes: 300 });
    expect(await weightFiles(one)).toEqual(['model.safetensors']);
    expect((await weightFiles(many)).filter((name) => name.startsWith('model-'))).toHaveLength(3);
    const [a, b] = [await openWeights(one), await openWeights(many)];
    expect([...b.names].sort()).toEqual([...a.names].sort());
    for (const name of a.names) {
      expect(b.shapeOf(name)).toEqual(a.shapeOf(name));
      expect(await b.read(name)).toEqual(await a.read(name));
    }
    await Promise.all([a.close(), b.close()]);
  });

  test.each([
    ['float16', 2 ** -11],
    ['bfloat16', 2 ** -8],
  ] as const)('are halved as %s, rounded to nearest', async (dtype, relative) => {
    await writeWeights(dir, arrays(), { dtype });
    const reader = await openSafetensors(join(dir, 'model.safetensors'));
    expect(reader.info('a.weight').dtype).toBe(dtype === 'float16' ? 'F16' : 'BF16');
    const { data } = await reader.readFloat32('a.weight');
    arrays()['a.weight']!.data.forEach((value, i) =>
      expect(Math.abs(data[i]! - value)).toBeLessThanOrEqual(relative * Math.abs(value) + 1e-7),
    );
    await reader.close();
  });

  test('that float16 cannot hold, and shards that are missing or lie, are named', async () => {
    const large = { x: { data: Float32Array.of(1, 70000), shape: [2] } };
    await expect(writeWeights(dir, large, { dtype: 'float16' })).rejects.toThrow('70000 does not fit float16');
    await writeWeights(dir, arrays(), { shardBytes: 300 });
    const [first] = await weightFiles(dir);
    const index = JSON.parse(await readFile(join(dir, shardIndexFile), 'utf8')) as {
      weight_map: Record<string, string>;
    };
    await writeJsonAtomic(join(dir, shardIndexFile), { weight_map: { ...index.weight_map, ghost: first } });
    await expect(openWeights(dir)).rejects.toThrow(`holds ghost, which it does not`);
    await writeJsonAtomic(join(dir, shardIndexFile), { weight_map: { x: '../../etc/passwd.safetensors' } });
    await expect(openWeights(dir)).rejects.toThrow(shardIndexFile);
    await writeJsonAtomic(join(dir, shardIndexFile), index);
    await rm(join(dir, first!));
    await expect(openWeights(dir)).rejects.toThrow(`${first}: is missing`);
  });
});

describe('a checkpoint folder', () => {
  test('gives the network back, also from half precision and shards', async () => {
    const backbone = network();
    const expected = await toArrays(backbone.params);
    await saveModelDir(join(dir, 'a'), backbone, config);
    await saveModelDir(join(dir, 'b'), backbone, config, { shardBytes: 50_000 });
    for (const name of ['a', 'b']) {
      const { backbone: found, fingerprint } = await loadModelDir(join(dir, name));
      expect(await toArrays(found.params)).toEqual(expected);
      expect(fingerprint).toBe(await fingerprintFile(join(dir, name)));
      expect(isModelDir(join(dir, name))).toBe(true);
    }
    expect(await countValues(join(dir, 'a'))).toBe(await countValues(join(dir, 'b')));
  });

  test('says what changed since its manifest', async () => {
    await saveModelDir(join(dir, 'm'), network(), config);
    const folder = join(dir, 'm');
    await writeManifest(folder, null);
    expect(await verifyCheckpoint(folder)).toEqual([]);
    expect((await readManifest(folder)).files.map(({ name }) => name)).toEqual(['config.json', 'model.safetensors']);
    await appendFile(join(folder, 'config.json'), ' ');
    await writeFile(join(folder, 'extra.bin'), 'x');
    const weights = await readFile(join(folder, 'model.safetensors'));
    weights[weights.length - 1]! ^= 1;
    await writeFile(join(folder, 'model.safetensors'), weights);
    const faults = (await verifyCheckpoint(folder)).join('\n');
    expect(faults).toMatch(/config\.json: has \d+ bytes/);
    expect(faults).toContain('model.safetensors: its content is not what the manifest says');
    expect(faults).toContain('extra.bin: is not in the manifest');
    await expect(verifyCheckpoint(dir)).rejects.toThrow('no manifest.json');
  });

  test('is found by folder or id, and an id that is nowhere says how to get it', async () => {
    await saveModelDir(join(dir, 'm'), network(), config);
    expect(findCheckpoint(join(dir, 'm'))).toBe(join(dir, 'm'));
    expect(isCheckpointId('audiontt_d2048.byola_audioset')).toBe(true);
    expect(isCheckpointId('../x.y')).toBe(false);
    expect(() => resolveCheckpoint('no_such.checkpoint')).toThrow('npx unlabel zoo pull no_such.checkpoint');
    expect(() => resolveCheckpoint(dir)).toThrow('holds no checkpoint');
  });
});

describe('the card', () => {
  const card = modelCardSchema.parse({
    schema: 1,
    id: 'a.b_c',
    title: 'A title: with "quotes" and — dashes',
    licence: 'CC-BY-NC-4.0',
    restricted: true,
    method: 'test',
    source: 'https://example.org/a.pt',
    data: ['- a line that looks like YAML: yes'],
    backbone: 'audio-ntt',
    params: 1234,
    dtype: 'float16',
    sampleRate: 16000,
    embeddingSize: { scene: 24, timestamp: 0 },
    results: [
      {
        task: 't',
        revision: 'v1@x',
        protocol: 'linear/v1',
        metric: 'top1_acc',
        value: 0.5,
        low: 0.4,
        high: null,
        n: 9,
        seed: 0,
        engine: 'wasm',
      },
    ],
  });

  test('is written and read back whole, equal cards to equal bytes', async () => {
    await writeCard(dir, card);
    expect(await readCard(dir)).toEqual(card);
    expect(await readFile(join(dir, 'README.md'), 'utf8')).toBe(cardText(card));
    expect(cardText(card)).toContain('| t | linear/v1 | top1_acc | 50.0 | 40.0 – – | 9 | wasm |');
  });

  test('of a model of images speaks of images, of a model of sounds of clips', () => {
    const text = (sampleRate: number | null): string =>
      cardText({ ...card, sampleRate, sawUnlabelled: ['t'] }).split('\n---\n')[1]!;
    for (const word of ["embed('photo.jpg')", 'a.jpg b.png', 'an image |', 'Seen without labels', 'test images:'])
      expect(text(null)).toContain(word);
    expect(text(null)).not.toMatch(/clip|wav|samples|frame/);
    expect(text(16000)).not.toMatch(/image|photo/);
    expect(text(16000)).toContain('Heard without labels');
  });

  test('that is none is refused', async () => {
    await expect(readCard(dir)).rejects.toThrow('cannot be read');
    await writeFile(join(dir, 'README.md'), '# Title\n');
    await expect(readCard(dir)).rejects.toThrow('expected front matter');
    await writeFile(join(dir, 'README.md'), '---\nid: [\n---\n');
    await expect(readCard(dir)).rejects.toThrow('is not YAML');
    await writeFile(join(dir, 'README.md'), '---\na: &a [1, 2]\nb: *a\n---\n');
    await expect(readCard(dir)).rejects.toThrow('README.md');
  });
});

test('load embeds clips of any rate, one or several, and frames; disposed it refuses', async () => {
  const folder = join(dir, 'm');
  await saveModelDir(folder, network(), config);
  const model = await load(folder);
  const tone = (rate: number): Float32Array =>
    Float32Array.from({ length: rate }, (_, t) => 0.5 * Math.sin((2 * Math.PI * 440 * t) / rate));
  const one = await model.embed(tone(16000), { sampleRate: 16000 });
  expect(one).toHaveLength(model.embeddingSize);
  const [a, b] = await model.embed([tone(16000), tone(16000)], { sampleRate: 16000 });
  expect([a!.length, b!.length]).toEqual([24, 24]);
  one.forEach((value, i) => expect(a![i]!).toBeCloseTo(value, 5));
  const resampled = await model.embed(tone(44100), { sampleRate: 44100 });
  const difference = Math.max(...resampled.map((value, i) => Math.abs(value - one[i]!)));
  expect(difference).toBeLessThan(0.2 * Math.max(...one.map(Math.abs)));
  const { embeddings, timestamps, size } = await model.embedFrames(tone(16000), { sampleRate: 16000 });
  expect(embeddings.length).toBe(timestamps.length * size);
  await expect(model.embed(new Float32Array(0), { sampleRate: 16000 })).rejects.toThrow('found none');
  await expect(model.embed('photo.jpg')).rejects.toThrow('takes sounds');
  model.dispose();
  await expect(model.embed(tone(16000), { sampleRate: 16000 })).rejects.toThrow('was disposed');
  expect(await readdir(folder)).toHaveLength(2);
});

test('load embeds images, pixels or files, one or several; what is no image is named', async () => {
  const folder = join(dir, 'm');
  const image = { size: 16, resize: 18, interpolation: 'bilinear', mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] };
  const shape = { depth: 18, blocks: [1, 1, 1, 1], widths: [4, 4, 8, 12], stem: 'small' };
  await saveModelDir(folder, buildResnet(shape, createRng(2)), {
    ...config,
    backbone: { id: 'resnet', config: shape },
    input: { modality: 'image', image },
    normalization: null,
  });
  const rng = createRng(3);
  const [wide, tall] = [[30, 20], [19, 40]].map(([width, height]) => ({
    width: width!,
    height: height!,
    data: Uint8Array.from({ length: width! * height! * 3 }, () => rng.int(256)),
  })); // prettier-ignore
  const file = join(dir, 'wide.png');
  await writeFile(file, encodePng(wide!));
  const model = await load(folder);
  expect([model.modality, model.sampleRate, model.embeddingSize]).toEqual(['image', 0, 12]);
  const one = await model.embed(wide!);
  expect(await model.embed(file)).toEqual(one);
  const [a, b] = await model.embed([tall!, file]);
  expect([a!.length, b!.length]).toEqual([12, 12]);
  one.forEach((value, i) => expect(b![i]!).toBeCloseTo(value, 5));
  // what evaluation gives
  const embedder = imageEmbedder({ ...(await loadModelDir(folder)), id: 'm', source: folder });
  expect(one).toEqual(await embedder.embedImages([wide!], 'center'));
  expect(await model.embed(wide!, { crop: 'stretch' })).toEqual(await embedder.embedImages([wide!], 'stretch'));
  expect(await model.embed(wide!, { crop: 'stretch' })).not.toEqual(one);
  embedder.dispose!();

  await writeFile(join(dir, 'no.png'), 'no image');
  await expect(model.embed(join(dir, 'no.png'))).rejects.toThrow('no.png: is not an image');
  await expect(model.embed({ ...wide!, width: 31 })).rejects.toThrow('31 × 20 × 3 bytes in a Uint8Array; found Uint8Array of 1800');
  await expect(model.embed(new Float32Array(16), { sampleRate: 16000 })).rejects.toThrow('takes images');
  await expect(model.embedFrames(new Float32Array(16), { sampleRate: 16000 })).rejects.toThrow('no frames');
  model.dispose();
  await expect(model.embed(wide!)).rejects.toThrow('was disposed');
}); // prettier-ignore
