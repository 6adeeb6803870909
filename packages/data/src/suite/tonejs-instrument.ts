/** Which of twenty instruments plays a note, at keys that training has not heard. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, messageOf } from '@unlabel/core';
import { toneJsPackage, toneJsVersions } from '../packages.ts';
import { foldNames, splitGroups } from '../split.ts';
import type { PlainClip, Recording, SuiteTask } from '../task-plan.ts';

const instruments = Object.keys(toneJsVersions).sort();

export interface ToneJsNote extends Recording {
  readonly instrument: string;
  /** `Fs3`: pitch class and octave. */
  readonly note: string;
}

/**
 * The notes of the instruments that `folders` has, in order of instrument and name. Two second takes of the cello (`F2 v2`, `G2 v2`) are no notes by their names.
 * @throws DataError when a folder cannot be read
 */
export function toneJsNotes(folders: ReadonlyMap<string, string>): ToneJsNote[] {
  return instruments.flatMap((instrument) => {
    const folder = folders.get(toneJsPackage(instrument).name);
    if (folder === undefined) return [];
    let names: string[];
    try {
      names = readdirSync(folder);
    } catch (cause) {
      throw new DataError(`${folder}: the notes could not be listed (${messageOf(cause)})`, { cause });
    }
    return names.sort().flatMap((name): ToneJsNote[] => {
      const note = /^([A-G]s?\d)\.mp3$/.exec(name)?.[1];
      return note === undefined
        ? []
        : [{ id: `tonejs/${instrument}/${note}`, path: join(folder, name), name, instrument, note }];
    });
  });
}

export const toneJsInstrument: SuiteTask = {
  id: 'tonejs-instrument',
  version: 'v1',
  title: 'Instrument of a note (ToneJS-Instruments)',
  embeddingType: 'scene',
  predictionType: 'multiclass',
  splitMode: 'new_split_kfold',
  sampleDuration: 3,
  evaluation: ['top1_acc', 'mAP', 'd_prime', 'aucroc'],
  packages: instruments.map(toneJsPackage),
  note:
    'Label: the package a note comes in, twenty instruments. Five folds grouped by pitch class and octave: every instrument’s ' +
    'C4 is in the same fold, so that pitch does not give the instrument away.',
  plan(folders) {
    const notes = toneJsNotes(folders);
    const items = notes.map(({ note, instrument }) => ({ group: note, label: instrument }));
    const folds = splitGroups(items, [1, 1, 1, 1, 1], 'tonejs-folds');
    const names = foldNames(5);
    const splits = new Map<string, PlainClip[]>(names.map((name) => [name, []]));
    notes.forEach((source, i) => {
      const file = `${source.instrument}-${source.note.toLowerCase()}.wav`;
      splits.get(names[folds[i]!]!)!.push({ file, labels: [source.instrument], recording: source });
    });
    return { vocabulary: instruments, splits };
  },
};
