/** Whose sounds move through the generated scenes: notes of ToneJS-Instruments in four families, no note in two splits. */
import { createRng, DataError } from '@unlabel/core';
import { toneJsInstrument } from '../suite/tonejs-instrument.ts';
import { isPlain, type Recording } from '../task-plan.ts';

export const sceneSplits = ['train', 'valid', 'test'] as const;
export type SceneSplit = (typeof sceneSplits)[number];

/** Instruments of each family. */
const families: Readonly<Record<string, readonly string[]>> = {
  brass: ['french-horn', 'trombone', 'trumpet', 'tuba'],
  keys: ['harmonium', 'organ', 'piano', 'xylophone'],
  strings: ['cello', 'contrabass', 'guitar-nylon', 'violin'],
  woodwind: ['bassoon', 'clarinet', 'flute', 'saxophone'],
};

/** Classes of the scenes; a class's disc has the hue index/4. */
export const sceneClasses: readonly string[] = Object.keys(families).sort();

export const scenePackages = toneJsInstrument.packages;

export interface SceneSource {
  readonly recording: Recording;
  /** Of the recording in the task. */
  readonly labels: readonly string[];
  /** Index into `sceneClasses`. */
  readonly kind: number;
}

/** Folds of the task tonejs-instrument, which keep every instrument's C4 together, by split. */
const foldsOf: Readonly<Record<SceneSplit, readonly string[]>> = {
  train: ['fold00', 'fold01', 'fold02'],
  valid: ['fold03'],
  test: ['fold04'],
};

/**
 * The source of each of `count` scenes of a split: classes by turns, then instruments by turns, then a note at random.
 * @throws DataError when a family has no note in the split
 */
export function sceneSources(folders: ReadonlyMap<string, string>, split: SceneSplit, count: number): SceneSource[] {
  const { splits } = toneJsInstrument.plan(folders);
  const clips = foldsOf[split].flatMap((fold) => (splits.get(fold) ?? []).filter(isPlain));
  return Array.from({ length: count }, (_, i) => {
    const kind = i % sceneClasses.length;
    const instruments = families[sceneClasses[kind]!]!.map((instrument) =>
      clips.filter(({ labels }) => labels[0] === instrument),
    ).filter((notes) => notes.length > 0);
    if (instruments.length === 0) throw new DataError(`binaural: no ${sceneClasses[kind]} note is in ${split}.`);
    const notes = instruments[Math.floor(i / sceneClasses.length) % instruments.length]!;
    const rng = createRng(0).fork('binaural').fork(split).fork(i);
    const { recording, labels } = notes[rng.int(notes.length)]!;
    return { recording, labels, kind };
  });
}
