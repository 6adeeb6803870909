import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataError, type InputSpec } from '@unlabel/core';
import { deloresS } from '@unlabel/delores';
import { writeFileAtomic } from '@unlabel/formats';
import { moco } from '@unlabel/moco';
import { afterAll, expect, test } from 'vitest';
import { silentDisplay } from '../display/display.ts';
import { writePictures } from '../testing/pictures.ts';
import { writeSounds } from '../testing/sounds.ts';
import { buildCache } from './spectrogram-cache.ts';

const folder = await mkdtemp(join(tmpdir(), 'cache-'));
afterAll(() => rm(folder, { recursive: true }));

const inputs: Readonly<Record<string, InputSpec>> = {
  sounds: deloresS.input(deloresS.config.parse({})),
  pictures: moco.input(moco.config.parse({ imageSize: 16, cacheSide: 12 })),
};
const files: Readonly<Record<string, readonly string[]>> = {
  sounds: await writeSounds(join(folder, 'sounds'), { count: 150, seconds: 0.6 }), // two chunks
  pictures: await writePictures(join(folder, 'pictures'), { count: 5, width: 20, height: 14 }),
};

const build = (kind: string, out: string, threads: number, paths = files[kind]!) => {
  const items = paths.map((path) => ({ path, name: path }));
  return buildCache(join(folder, out), items, inputs[kind]!, threads, silentDisplay.task('cache'));
};

test.each(Object.keys(inputs))('%s: this thread writes the bytes that a worker writes', async (kind) => {
  const [here, there] = [await build(kind, `${kind}-0`, 0), await build(kind, `${kind}-1`, 1)];
  const names = (await readdir(join(folder, `${kind}-0`))).sort();
  expect(names).toHaveLength(2 * Math.ceil(files[kind]!.length / 128));
  expect((await readdir(join(folder, `${kind}-1`))).sort()).toEqual(names);
  const read = (out: string) => Promise.all(names.map((name) => readFile(join(folder, out, name))));
  const written = await read(`${kind}-0`);
  expect(await read(`${kind}-1`)).toEqual(written);
  expect(here.statistics).toEqual(there.statistics);
  expect(here.entries).toHaveLength(files[kind]!.length);
});

test.each([0, 1])('a file that cannot be read is named, with %i workers', async (threads) => {
  const broken = join(folder, 'sounds', 'broken.wav');
  await writeFileAtomic(broken, [new Uint8Array(100)]);
  const failing = build('sounds', `broken-${threads}`, threads, [files['sounds']![0]!, broken]);
  await expect(failing).rejects.toThrow(DataError);
  await expect(failing).rejects.toThrow(/broken\.wav/);
});
