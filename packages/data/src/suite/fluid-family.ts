/** Which of ten General MIDI families a note belongs to, for programs that training has not heard. */
import { sf3Package } from '../packages.ts';
import { foldNames, splitGroups } from '../split.ts';
import { loadSoundFont, notesOfTenFamilies, tenFamilies, type Note } from '../sound-fonts.ts';
import { slug, type PlainClip, type SuiteTask } from '../task-plan.ts';

export const fluidFile = (note: Note): string =>
  `p${String(note.program).padStart(3, '0')}-k${String(note.key).padStart(3, '0')}-${slug(note.sampleName)}-${note.id.slice(-4)}.wav`;

/** The notes over five folds; no program is in two of them. Shared by fluid-family and fluid-pitch. */
export function fluidFolds(
  folders: ReadonlyMap<string, string>,
  labelOf: (note: Note) => string,
): ReadonlyMap<string, PlainClip[]> {
  const notes = notesOfTenFamilies(loadSoundFont('fluid', folders));
  const items = notes.map(({ program, family }) => ({ group: `program ${program}`, label: family }));
  const folds = splitGroups(items, [1, 1, 1, 1, 1], 'fluid-folds');
  const splits = new Map<string, PlainClip[]>(foldNames(5).map((name) => [name, []]));
  const names = foldNames(5);
  notes.forEach((note, i) => {
    splits.get(names[folds[i]!]!)!.push({ file: fluidFile(note), labels: [labelOf(note)], recording: note });
  });
  return splits;
}

export const fluidFamily: SuiteTask = {
  id: 'fluid-family',
  version: 'v1',
  title: 'General MIDI instrument family of a note (FluidR3Mono)',
  embeddingType: 'scene',
  predictionType: 'multiclass',
  splitMode: 'new_split_kfold',
  sampleDuration: 2,
  evaluation: ['top1_acc', 'mAP', 'd_prime', 'aucroc'],
  packages: [sf3Package],
  note:
    'Label: program ÷ 8 of the first preset that plays the recording, ten families. Recordings of at least 0.25 s that drum ' +
    'kits do not play. Five folds grouped by program: no program, and so no recording, is in two folds.',
  plan: (folders) => ({ vocabulary: [...tenFamilies].sort(), splits: fluidFolds(folders, ({ family }) => family) }),
};
