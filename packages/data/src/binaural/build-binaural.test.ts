import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeNpy, decodeWav } from '@unlabel/formats';
import { expect, test } from 'vitest';
import { buildSuite } from '../build-suite.ts';
import { hashTree } from '../task-files.ts';
import { fakePackages } from '../testing.ts';
import { verifySuite } from '../verify-suite.ts';
import { buildBinaural, type SceneLine } from './build-binaural.ts';

const folder = (): string => mkdtempSync(join(tmpdir(), 'unlabel-binaural-'));
const counts = { train: 5, valid: 2, test: 2 };
const linesOf = (dir: string, split: string): SceneLine[] =>
  readFileSync(join(dir, `${split}.jsonl`), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as SceneLine); // prettier-ignore

test('scenes on disk: both ears, pictures, the turned ears, a card; no note in two splits; the same bytes again', async () => {
  const packagesFrom = fakePackages(folder());
  const [out, again] = [folder(), folder()];
  const [built] = await buildBinaural({ out, packagesFrom }, counts);
  expect(built).toMatchObject({ id: 'binaural-scenes', state: 'built', clips: 9 });
  const { dir } = built!;
  const splitOf = new Map<string, string>();
  for (const split of ['train', 'valid', 'test'] as const) {
    const lines = linesOf(dir, split);
    expect(lines).toHaveLength(counts[split]);
    for (const { file, frames, turned, labels, recording, saw_unlabelled: heard, azimuths } of lines) {
      expect(heard['tonejs-instrument']).toHaveLength(1);
      const [ears, other] = [file, turned].map((path) => decodeWav(readFileSync(join(dir, path))));
      expect([ears!.sampleRate, ears!.channels.length, ears!.frames]).toEqual([8000, 2, 40000]);
      expect([other!.channels.length, other!.frames]).toEqual([2, 40000]);
      expect(other!.channels[0]).not.toEqual(ears!.channels[0]);
      const { shape, data } = decodeNpy(readFileSync(join(dir, frames)));
      expect(shape).toEqual([25, 16, 32, 3]);
      expect(Math.max(...data)).toBeGreaterThan(150);
      expect(azimuths).toHaveLength(25);
      expect(['brass', 'keys', 'strings', 'woodwind']).toContain(labels[0]);
      expect(splitOf.get(recording) ?? split).toBe(split);
      splitOf.set(recording, split);
    }
  }
  expect(linesOf(dir, 'train').map(({ labels }) => labels[0])).toEqual([
    'brass',
    'keys',
    'strings',
    'woodwind',
    'brass',
  ]);
  expect(JSON.parse(readFileSync(join(dir, 'card.json'), 'utf8'))).toMatchObject({ turnedBy: 30, scenes: counts });
  expect(readFileSync(join(dir, 'NOTICE'), 'utf8')).toMatch(/Creative Commons Attribution 3\.0/);

  await buildBinaural({ out: again, packagesFrom }, counts);
  expect(hashTree(join(again, 'binaural/scenes'))).toEqual(hashTree(dir));
  expect((await buildBinaural({ out, packagesFrom }, counts))[0]!.state).toBe('kept');
  expect(verifySuite(out).map(({ id, state }) => [id, state])).toEqual([['binaural-scenes', 'differs']]);
  for (const path of [out, again, packagesFrom]) rmSync(path, { recursive: true });
}, 30_000);

test('says which packages are missing, and how they are called', async () => {
  const out = folder();
  const [part] = await buildSuite({ suite: 'binaural', out, packagesFrom: out });
  expect(part).toMatchObject({ id: 'binaural-scenes', state: 'failed' });
  expect(part!.fault).toMatch(/tonejs-instrument-tuba-mp3: expected version 1\.1\.2, found none/);
  await expect(buildSuite({ suite: 'binaural', out, only: ['scenes'] })).rejects.toThrow(/binaural-scenes/);
});
