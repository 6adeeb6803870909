/** Which family of sounds a Sonic Pi sample belongs to. */
import { sonicPiPackage } from '../packages.ts';
import { sonicPiGroup, sonicPiRecordings } from '../sonic-pi.ts';
import { foldNames, splitGroups } from '../split.ts';
import type { PlainClip, SuiteTask } from '../task-plan.ts';

export const sonicPiFamily: SuiteTask = {
  id: 'sonicpi-family',
  version: 'v1',
  title: 'Family of a Sonic Pi sample',
  embeddingType: 'scene',
  predictionType: 'multiclass',
  splitMode: 'new_split_kfold',
  sampleDuration: 3,
  evaluation: ['top1_acc', 'mAP', 'd_prime', 'aucroc'],
  packages: [sonicPiPackage],
  note:
    'Label: the family that the file’s name states, nine of them; eight files of none (guitars, cowbell, roll, key, voice) are ' +
    'left out. Five stratified folds; numbered, hard and soft takes of one sound stay together.',
  plan(folders) {
    const all = sonicPiRecordings(folders);
    const kept = all.flatMap((source) => (source.family === undefined ? [] : [{ source, family: source.family }]));
    const items = kept.map(({ source, family }) => ({ group: sonicPiGroup(source.stem), label: family }));
    const folds = splitGroups(items, [1, 1, 1, 1, 1], 'sonicpi-folds');
    const names = foldNames(5);
    const splits = new Map<string, PlainClip[]>(names.map((name) => [name, []]));
    kept.forEach(({ source, family }, i) => {
      splits.get(names[folds[i]!]!)!.push({ file: `${source.stem}.wav`, labels: [family], recording: source });
    });
    return { vocabulary: [...new Set(kept.map(({ family }) => family))].sort(), splits };
  },
};
