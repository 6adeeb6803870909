import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { varispeed } from '@unlabel/audio';
import { createRng, type InputSpec } from '@unlabel/core';
import { encodeWav } from '@unlabel/formats';
import { deloresS } from '@unlabel/delores';
import { readModelConfig } from '@unlabel/zoo/files';
import { silentDisplay } from '../display/display.ts';
import { writePictures } from '../testing/pictures.ts';
import { atSpeeds, listItems, type Item } from './items.ts';
import { resolveMethod, stepsOf } from './recipe.ts';
import { pretrain, type PretrainRequest } from './run.ts';
import { createSource } from './source.ts';
import { buildCache } from './spectrogram-cache.ts';

let dir: string;
const audio = Float32Array.from({ length: 4000 }, (_, n) => Math.sin(n / 7) * (n % 100 < 50 ? 0.5 : 0.1));
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'varispeed-'));
  for (const name of ['a.wav', 'b.wav'])
    await writeFile(join(dir, name), encodeWav({ sampleRate: 16000, channels: [audio] }, 'float32'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const items = async (): Promise<readonly Item[]> => atSpeeds(await listItems([dir]), [-4, 2], createRng(0));

test('each recording stands beside itself at the speeds of the recipe, and without these alone', async () => {
  expect((await items()).map(({ name, semitones }) => [name, semitones])).toEqual([
    ['a.wav', undefined],
    ['a.wav', -4],
    ['a.wav', 2],
    ['b.wav', undefined],
    ['b.wav', -4],
    ['b.wav', 2],
  ]);
  const plain = await listItems([dir]);
  expect(atSpeeds(plain, undefined, createRng(0))).toBe(plain);
});

test('of a range every recording has a draw of its own, the same from the same seed', async () => {
  const plain = await listItems([dir]);
  const draws = (seed: number) =>
    atSpeeds(plain, [[-5, -3], 2, [3, 5]], createRng(seed)).map(({ semitones }) => semitones);
  const [own, low, fixed, high, other, otherLow] = draws(0);
  expect([own, fixed, other]).toEqual([undefined, 2, undefined]);
  expect(low).toBeGreaterThanOrEqual(-5);
  expect(low).toBeLessThan(-3);
  expect(high).toBeGreaterThanOrEqual(3);
  expect(high).toBeLessThan(5);
  expect(otherLow).not.toBe(low);
  expect(draws(0)).toEqual(draws(0));
  expect(draws(1)).not.toEqual(draws(0));
});

test('what a method gets is the file played at that speed, from the file and from the cache', async () => {
  const whole: InputSpec = { modality: 'audio', sampleRate: 16000 };
  const source = createSource({ items: await items(), input: whole, normalization: undefined });
  const played = async (item: number) => (await source.sample(item, createRng(0)))['audio']!.data;
  expect(await played(0)).toEqual(audio);
  expect(await played(1)).toEqual(varispeed(audio, -4));
  expect(await played(5)).toEqual(varispeed(audio, 2));

  const { frontEnd } = deloresS.input(deloresS.config.parse({}));
  const input: InputSpec = { ...whole, frontEnd: frontEnd! };
  const cached = async (list: readonly Item[]) => {
    const progress = silentDisplay.task('front-end', list.length, 'recordings');
    const { entries } = await buildCache(join(dir, 'cache'), list, input, 1, progress);
    return createSource({ items: list, input, normalization: undefined, cache: entries }).sample(1, createRng(0));
  };
  const fresh = createSource({ items: await items(), input, normalization: undefined });
  const slow = await cached(await items());
  expect(slow).toEqual(await fresh.sample(1, createRng(0)));
  // the same files at another speed are not taken from what is cached
  const other = await cached(atSpeeds(await listItems([dir]), [2, -4], createRng(0)));
  expect(other).toEqual(await fresh.sample(2, createRng(0)));
  expect(other['logMel']!.shape[1]).toBeLessThan(slow['logMel']!.shape[1]!);
});

const request = (method: string, recipe: Record<string, unknown>, data: string, out: string): PretrainRequest => ({
  method,
  preset: 'smoke',
  overrides: { recipe },
  data: [data],
  seed: 0,
  out: join(dir, out),
  engine: { engine: 'wasm' },
  workers: 1,
  checkpointSeconds: 30,
  display: silentDisplay,
});

test('a run trains on other items than without, and says how many recordings these are', async () => {
  const networkOf = async (out: string, recipe: Record<string, unknown>) => {
    await pretrain(request('delores-s', { steps: 2, batchSize: 6, ...recipe }, dir, out));
    const { training } = await readModelConfig(join(dir, out, 'model'));
    expect(training).toMatchObject({ items: 2, steps: 2 });
    return readFile(join(dir, out, 'model', 'model.safetensors'));
  };
  const varied = { varispeed: [[-4, -3], 2] };
  const network = await networkOf('run', varied);
  expect(await networkOf('again', varied)).toEqual(network);
  expect(await networkOf('plain', {})).not.toEqual(network);
});

test('an epoch is a pass over all speeds', () => {
  const { recipe } = resolveMethod(deloresS, 'paper', {});
  const files = 10 * recipe.batchSize;
  const once = stepsOf({ ...recipe, epochs: 3 }, files);
  expect(once).toBe(30);
  expect(stepsOf({ ...recipe, epochs: 3, varispeed: [[-4, -3], 2] }, files)).toBe(90);
});

test('ranges may touch: the upper end is not drawn', () => {
  const ranges = [[-5, -3], [-3, -1], 1.5, [2, 3]];
  expect(resolveMethod(deloresS, 'smoke', { recipe: { varispeed: ranges } }).recipe.varispeed).toEqual(ranges);
});

test.each([
  [[0, 2], /different semitones, none of them 0/],
  [[2, 2], /different semitones, none of them 0/],
  [[[-1, 1]], /do not overlap nor hold 0/],
  [[[1, 3], 2], /do not overlap/],
  [[[3, 1]], /\[low, high\]/],
  [[30], /varispeed/],
])('%j is refused', (varispeed, message) => {
  expect(() => resolveMethod(deloresS, 'smoke', { recipe: { varispeed } })).toThrow(message);
});

test('pictures have no speed', async () => {
  const pictures = join(dir, 'pictures');
  await writePictures(pictures, { count: 4, width: 8, height: 8 });
  const run = pretrain(request('moco', { varispeed: [2] }, pictures, 'pictures-run'));
  await expect(run).rejects.toThrow(/moco recipe: varispeed is for recordings.*images/);
});
