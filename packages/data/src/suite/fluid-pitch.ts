/** The MIDI key of a note, for programs that training has not heard. */
import { sf3Package } from '../packages.ts';
import type { SuiteTask } from '../task-plan.ts';
import { fluidFolds } from './fluid-family.ts';

const lowest = 24;
const highest = 108;

export const fluidPitch: SuiteTask = {
  id: 'fluid-pitch',
  version: 'v1',
  title: 'MIDI key of a note (FluidR3Mono)',
  embeddingType: 'scene',
  predictionType: 'multiclass',
  splitMode: 'new_split_kfold',
  sampleDuration: 2,
  evaluation: ['pitch_acc', 'chroma_acc'],
  packages: [sf3Package],
  note:
    'Label: the key at which the recording plays unshifted (root key less tuning). The vocabulary holds every key from 24 to ' +
    '108, used or not, so that class index mod 12 is the chroma up to a constant. Five folds grouped by program.',
  plan: (folders) => ({
    vocabulary: Array.from({ length: highest - lowest + 1 }, (_, i) => String(lowest + i)),
    splits: fluidFolds(folders, ({ key }) => String(key)),
  }),
};
