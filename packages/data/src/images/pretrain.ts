/** Drawings without labels to pre-train on, and which tasks have them labelled. */
import { foldNames, splitGroups } from '../split.ts';
import { emojiPng } from './class-folders.ts';
import { emojiOf, type Emoji } from './emoji.ts';
import { partsOfGroups } from './emoji-transfer.ts';
import type { ImageSuiteTask } from './image-suite-task.ts';
import { emojiPackage, type Vendor } from './packages.ts';

/** Fold of each of Twitter's drawings in emoji-category. */
export function foldsOfEmoji(emoji: readonly Emoji[]): string[] {
  const items = emoji.map(({ group, category }) => ({ group, label: category }));
  const names = foldNames(5);
  return splitGroups(items, [1, 1, 1, 1, 1], 'emoji-category-folds').map((fold) => names[fold]!);
}

export const imagePretrain: ImageSuiteTask = {
  id: 'pretrain-images',
  title: 'Emoji without labels, to pre-train on',
  packages: [emojiPackage('twitter'), emojiPackage('google')],
  note:
    'all.jsonl: the drawings of both vendors but those that emoji-transfer and the scenes of emoji-scatter test on; ' +
    'saw_unlabelled says which tasks have a drawing labelled. disjoint.jsonl: those that no task has labelled, all of them Google’s.',
  async build(folders, to) {
    const partOf = partsOfGroups(folders);
    const lines: { file: string; package: string; saw_unlabelled: Record<string, readonly string[]> }[] = [];
    for (const vendor of ['google', 'twitter'] as readonly Vendor[]) {
      const all = emojiOf(vendor, folders);
      const folds = vendor === 'twitter' ? foldsOfEmoji(all) : [];
      for (const [i, emoji] of all.entries()) {
        const part = partOf(emoji);
        if (part === 'test') continue;
        const file = `images/${vendor}-${emoji.id}.png`;
        to.write(file, await emojiPng(emoji));
        const labelled = { 'emoji-category': [folds[i]!], 'emoji-transfer': [part] };
        lines.push({ file, package: emojiPackage(vendor).name, saw_unlabelled: vendor === 'twitter' ? labelled : {} });
      }
    }
    const disjoint = lines.filter(({ saw_unlabelled: tasks }) => Object.keys(tasks).length === 0);
    for (const [name, kept] of Object.entries({ all: lines, disjoint }))
      to.write(`${name}.jsonl`, kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return lines.length;
  },
};
