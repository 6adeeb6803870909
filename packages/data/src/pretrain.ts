/**
 * Unlabelled audio for pre-training: every different recording of the installed packages, at most three seconds of each, except
 * what the test parts of the train/valid/test tasks are made of. Clips of k-fold tasks are all test in some fold, so each line of the
 * index says which tasks and splits a recording is labelled in, and a second index leaves out all of them.
 */
import { sf3Package, sonicPiPackage, toneJsPackage, toneJsVersions, type SourcePackage } from './packages.ts';
import type { RenderResult } from './render.ts';
import { sonicPiRecordings } from './sonic-pi.ts';
import { loadSoundFont, notesOf } from './sound-fonts.ts';
import { chordNotes } from './suite/chord-family.ts';
import { toneJsNotes } from './suite/tonejs-instrument.ts';
import { recordingsOf, slug, type Recording, type SuiteTask, type TaskPlan } from './task-plan.ts';
import { twinOf } from './twins.ts';

/** One line of `all.jsonl` and `disjoint.jsonl`. */
export interface PretrainEntry {
  /** Relative to the folder of the index. */
  readonly file: string;
  readonly id: string;
  readonly package: string;
  readonly seconds: number;
  /** Of the audio as 16-bit samples at 16 kHz: equal for equal recordings. */
  readonly audio_sha256: string;
  /** Tasks that have this audio labelled, with the splits it is in. */
  readonly saw_unlabelled: Readonly<Record<string, readonly string[]>>;
}

export interface PretrainRecording extends Recording {
  readonly file: string;
  readonly package: string;
}

/** Packages from which at least one recording comes. */
export const pretrainPackages: readonly SourcePackage[] = [
  sf3Package,
  sonicPiPackage,
  ...Object.keys(toneJsVersions).map(toneJsPackage),
];

/** Where each recording is labelled: id → task → splits. */
export function labelledIn(
  plans: readonly { readonly task: SuiteTask; readonly plan: TaskPlan }[],
): Map<string, Record<string, string[]>> {
  const found = new Map<string, Record<string, string[]>>();
  for (const { task, plan } of plans) {
    for (const [split, clips] of plan.splits) {
      for (const { id } of clips.flatMap(recordingsOf)) {
        const tasks = found.get(id) ?? {};
        found.set(id, tasks);
        const splits = (tasks[task.id] ??= []);
        if (!splits.includes(split)) splits.push(split);
      }
    }
  }
  return found;
}

/**
 * The recordings of the pre-training set.
 * @param folders packages that are installed; others are left out
 * @param plans of all tasks that can be built, for what their test parts are made of
 */
export function pretrainRecordings(
  folders: ReadonlyMap<string, string>,
  plans: readonly { readonly task: SuiteTask; readonly plan: TaskPlan }[],
): PretrainRecording[] {
  const isHeldOut = new Set<string>();
  for (const { task, plan } of plans) {
    if (task.splitMode !== 'trainvaltest') continue;
    for (const { id } of (plan.splits.get('test') ?? []).flatMap(recordingsOf)) isHeldOut.add(id);
  }
  const heldOutPrograms = new Set<number>();
  const all: PretrainRecording[] = [];
  const add = (recordings: readonly Recording[], name: string): void => {
    for (const recording of recordings) {
      if (isHeldOut.has(recording.id)) continue;
      all.push({ ...recording, package: name, file: `16000/${slug(recording.id)}.wav` });
    }
  };
  if (folders.has(sf3Package.name)) {
    const [fluid, musescore] = [loadSoundFont('fluid', folders), loadSoundFont('musescore', folders)];
    if (plans.some(({ task }) => task.id === 'chord-family')) {
      // a program is held out with all its notes, and with the other sound font's recordings of it
      for (const note of chordNotes(folders).get('test') ?? []) {
        isHeldOut.add(note.id);
        heldOutPrograms.add(note.program);
      }
    }
    for (const note of notesOf(musescore)) if (heldOutPrograms.has(note.program)) isHeldOut.add(note.id);
    add(fluid.recordings, sf3Package.name);
    add(
      musescore.recordings.filter(({ id }) => twinOf(id) === undefined), // three quarters are Fluid's recordings again
      sf3Package.name,
    );
  }
  if (folders.has(sonicPiPackage.name)) add(sonicPiRecordings(folders), sonicPiPackage.name);
  for (const note of toneJsNotes(folders)) add([note], toneJsPackage(note.instrument).name);
  return all;
}

/** Index lines: all recordings, one for each different audio; and those whose audio no task has labelled. */
export function pretrainIndex(
  recordings: readonly PretrainRecording[],
  results: ReadonlyMap<string, RenderResult>,
  labelled: ReadonlyMap<string, Readonly<Record<string, readonly string[]>>>,
): { all: PretrainEntry[]; disjoint: PretrainEntry[] } {
  const tasksOfAudio = new Map<string, Record<string, readonly string[]>>();
  for (const [id, tasks] of labelled) {
    const hash = results.get(id)?.audioHash;
    if (hash !== undefined) tasksOfAudio.set(hash, { ...tasksOfAudio.get(hash), ...tasks });
  }
  const seen = new Set<string>();
  const all: PretrainEntry[] = [];
  for (const { id, file, package: name } of recordings) {
    const { audioHash, seconds } = results.get(id)!;
    if (seen.has(audioHash)) continue;
    seen.add(audioHash);
    const tasks = tasksOfAudio.get(audioHash) ?? {};
    all.push({
      file,
      id,
      package: name,
      seconds: Math.min(seconds, 3),
      audio_sha256: audioHash,
      saw_unlabelled: Object.fromEntries(Object.entries(tasks).sort(([a], [b]) => (a < b ? -1 : 1))),
    });
  }
  return { all, disjoint: all.filter((entry) => Object.keys(entry.saw_unlabelled).length === 0) };
}
