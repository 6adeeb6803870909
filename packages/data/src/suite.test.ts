/** What the suite holds, read from the installed packages without decoding; one small task is built and its bytes compared. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '@unlabel/formats';
import { describe, expect, test } from 'vitest';
import { buildSuite } from './build-suite.ts';
import { packageFolder, requirePackages } from './packages.ts';
import { sonicPiGroup } from './sonic-pi.ts';
import { loadSoundFont, notesOfTenFamilies, type Note } from './sound-fonts.ts';
import { suiteTasks } from './suite/index.ts';
import { isPlain, recordingsOf, type Recording, type SuiteTask, type TaskPlan } from './task-plan.ts';

/** Clips of each task, and the share of its most frequent label. */
const counts: Readonly<Record<string, readonly [clips: number, labels: number, majority: number]>> = {
  'chord-family': [700, 10, NaN],
  'drum-events': [88, 5, NaN],
  'fluid-family': [654, 10, 0.154],
  'fluid-pitch': [654, 85, 0.041],
  'gm-drums': [157, 5, 0.306],
  'sonicpi-family': [198, 9, 0.172],
  'tonejs-instrument': [448, 20, 0.19],
};

const missingOf = (task: SuiteTask): string[] =>
  task.packages.filter(({ name }) => packageFolder(name) === undefined).map(({ name }) => name);
const files = new Map<string, Uint8Array>();
function bytesHash({ path, range }: Recording): string {
  const bytes = files.get(path) ?? readFileSync(path);
  files.set(path, bytes);
  return sha256(range ? bytes.subarray(range.offset, range.offset + range.length) : bytes);
}

describe.each(suiteTasks.map((task) => [task.id, task] as const))('%s', (id, task) => {
  const missing = missingOf(task);
  const title = missing.length > 0 ? ` (skipped: ${missing.join(', ')} not installed)` : '';
  const present = test.runIf(missing.length === 0);
  const plan: TaskPlan =
    missing.length === 0 ? task.plan(requirePackages(task.packages)) : { vocabulary: [], splits: new Map() };
  const { splits } = plan;
  const clips = [...splits.values()].flat();

  present(`has the clips, labels and majority that its README row says${title}`, () => {
    const [expectedClips, labels, majority] = counts[id]!;
    expect(clips).toHaveLength(expectedClips);
    expect(plan.vocabulary).toHaveLength(labels);
    expect(new Set(clips.map(({ file }) => file)).size).toBe(clips.length);
    if (Number.isNaN(majority)) return;
    const tally = new Map<string, number>();
    for (const clip of clips.filter(isPlain))
      for (const label of clip.labels) tally.set(label, (tally.get(label) ?? 0) + 1);
    expect(Math.max(...tally.values()) / clips.length).toBeCloseTo(majority, 3);
    expect([...tally.keys()].every((label) => plan.vocabulary.includes(label))).toBe(true);
  });

  present(`has no recording in two splits, by name and by bytes${title}`, () => {
    const splitOf = new Map<string, string>();
    for (const [split, of] of splits) {
      for (const recording of new Map(of.flatMap(recordingsOf).map((r) => [r.id, r])).values()) {
        for (const key of [
          recording.id,
          ...(id === 'sonicpi-family' || id === 'gm-drums' ? [bytesHash(recording)] : []),
        ]) {
          expect(splitOf.get(key) ?? split).toBe(split);
          splitOf.set(key, split);
        }
      }
    }
  });

  present(`has every label in every split, rare keys aside${title}`, () => {
    if (id === 'fluid-pitch' || task.embeddingType === 'event') return;
    for (const of of splits.values()) {
      const found = new Set(
        of.flatMap((clip) => (isPlain(clip) ? clip.labels : clip.recordings.map((note) => (note as Note).family))),
      );
      expect([...found].sort()).toEqual([...plan.vocabulary].sort());
    }
  });

  present(`holds programs, takes and notes together${title}`, () => {
    const groupOf: Readonly<Record<string, (recording: Recording) => string>> = {
      'chord-family': (recording) => String((recording as Note).program),
      'fluid-family': (recording) => String((recording as Note).program),
      'fluid-pitch': (recording) => String((recording as Note).program),
      'sonicpi-family': ({ id: name }) => sonicPiGroup(name.slice('sonicpi/'.length)),
      'drum-events': ({ id: name }) => sonicPiGroup(name.slice('sonicpi/'.length)),
      'tonejs-instrument': ({ id: name }) => name.slice(name.lastIndexOf('/')),
      'gm-drums': ({ id: name }) => name,
    };
    const splitOf = new Map<string, string>();
    for (const [split, of] of splits) {
      for (const recording of of.flatMap(recordingsOf)) {
        const group = groupOf[id]!(recording);
        expect(splitOf.get(group) ?? split).toBe(split);
        splitOf.set(group, split);
      }
    }
    expect(splitOf.size).toBeGreaterThan(5);
  });
});

const drums = suiteTasks.find(({ id }) => id === 'gm-drums')!;
const missing = missingOf(drums);
test.runIf(missing.length === 0)(
  `builds gm-drums to the bytes whose hash is checked in${missing.length > 0 ? ` (skipped: ${missing.join(', ')} not installed)` : ''}`,
  async () => {
    const out = mkdtempSync(join(tmpdir(), 'unlabel-drums-'));
    const [built] = await buildSuite({ suite: 'quickstart', out, only: ['gm-drums'], threads: 2 });
    expect(built).toMatchObject({ state: 'built', clips: 157 });
    expect(built!.warning).toBeUndefined();
  },
  120_000,
);

test.runIf(missing.length === 0)('labels a note with the key it sounds at, tuning included', () => {
  const folders = requirePackages(drums.packages);
  const notes = notesOfTenFamilies(loadSoundFont('fluid', folders));
  const keyOf = (name: string): number => notes.find(({ sampleName }) => sampleName === name)!.key;
  // all six trumpets say root 60 and are tuned by −4 … −36; the piccolos by −12; heard with an autocorrelation
  expect(['tp_e3', 'tp_g3', 'tp_c4', 'tp_g4', 'tp_e5', 'tp_c6'].map(keyOf)).toEqual([64, 67, 72, 79, 88, 96]);
  expect(keyOf('Piccolo C7(L)')).toBe(84);
  const keys = notes.map(({ key }) => key);
  expect([new Set(keys).size, Math.min(...keys), Math.max(...keys)]).toEqual([77, 24, 108]);
  expect(new Set(notes.map(({ program }) => program)).size).toBe(70);
});
