/** Which instrument families sound together in a sum of one to four notes. */
import { createRng, DataError, type Rng } from '@unlabel/core';
import { limitPeak, mixInto, rms } from '../compose.ts';
import { sf3Package } from '../packages.ts';
import { sampleRate } from '../render.ts';
import { splitGroups } from '../split.ts';
import { loadSoundFont, notesOfTenFamilies, tenFamilies, type Note } from '../sound-fonts.ts';
import type { ComposedClip, SuiteTask } from '../task-plan.ts';

const seconds = 2.5;
const clips = { train: 400, valid: 120, test: 180 } as const;
const splitNames = Object.keys(clips) as (keyof typeof clips)[];

/** Notes of each split; no program is in two. Also tells the pre-training set what it must not hold. */
export function chordNotes(folders: ReadonlyMap<string, string>): ReadonlyMap<keyof typeof clips, readonly Note[]> {
  const notes = notesOfTenFamilies(loadSoundFont('fluid', folders));
  const families = new Map(notes.map(({ program, family }) => [program, family])); // shares are of programs, not notes
  const items = [...families].map(([program, family]) => ({ group: `program ${program}`, label: family }));
  const parts = splitGroups(items, [0.55, 0.2, 0.25], 'chord-family-splits');
  const partOf = new Map([...families.keys()].map((program, i) => [program, parts[i]]));
  return new Map(splitNames.map((name, part) => [name, notes.filter(({ program }) => partOf.get(program) === part)]));
}

/** One to four notes of different programs, families equally likely. */
function drawNotes(notes: readonly Note[], rng: Rng): Note[] {
  const count = 1 + rng.int(4);
  const drawn: Note[] = [];
  while (drawn.length < count) {
    const family = tenFamilies[rng.int(tenFamilies.length)]!;
    const programs = [...new Set(notes.filter((n) => n.family === family).map((n) => n.program))];
    if (programs.length === 0) throw new DataError(`chord-family: a split has no program of ${family}`);
    const program = programs[rng.int(programs.length)]!;
    if (drawn.some((note) => note.program === program)) continue;
    const choices = notes.filter((n) => n.program === program);
    drawn.push(choices[rng.int(choices.length)]!);
  }
  return drawn;
}

function chord(file: string, notes: readonly Note[], rng: Rng): ComposedClip {
  const places = notes.map((_, i) => ({
    onset: i === 0 ? 0 : Math.floor(rng.range(0, 0.6) * sampleRate),
    level: rng.range(0.3, 1),
  }));
  return {
    file,
    recordings: notes,
    compose(audio) {
      const samples = new Float32Array(Math.round(seconds * sampleRate));
      audio.forEach((note, i) => {
        const loudness = rms(note.subarray(0, sampleRate));
        if (loudness > 0) mixInto(samples, note, places[i]!.onset, (0.1 * places[i]!.level) / loudness);
      });
      limitPeak(samples, 0.95);
      return { samples, labels: [...new Set(notes.map(({ family }) => family))].sort() };
    },
  };
}

export const chordFamily: SuiteTask = {
  id: 'chord-family',
  version: 'v1',
  title: 'Instrument families in a sum of one to four notes (FluidR3Mono)',
  embeddingType: 'scene',
  predictionType: 'multilabel',
  splitMode: 'trainvaltest',
  sampleDuration: seconds,
  evaluation: ['mAP', 'd_prime', 'aucroc', 'top1_acc'],
  packages: [sf3Package],
  note:
    'Composed: one to four notes of different programs, levels over 10 dB, onsets within 0.6 s. Labels: the families present. ' +
    'No program is in two of train, valid and test.',
  plan(folders) {
    const splits = new Map<string, ComposedClip[]>();
    for (const [split, notes] of chordNotes(folders)) {
      splits.set(
        split,
        Array.from({ length: clips[split] }, (_, i) => {
          const rng = createRng(0).fork('chord-family').fork(split).fork(i);
          return chord(`${split}-${String(i).padStart(4, '0')}.wav`, drawNotes(notes, rng), rng);
        }),
      );
    }
    return { vocabulary: [...tenFamilies].sort(), splits };
  },
};
