/** Train on one vendor's drawings, test on another's of other emoji. */
import { splitGroups } from '../split.ts';
import { writeEmojiFolders } from './class-folders.ts';
import { emojiOf, type Emoji } from './emoji.ts';
import type { ImageSuiteTask } from './image-suite-task.ts';
import { emojiPackage } from './packages.ts';

const parts = ['train', 'valid', 'test'] as const;
export type EmojiPart = (typeof parts)[number];

/** Part of each group of emoji, the same for every vendor and task that splits by emoji. */
export function partsOfGroups(folders: ReadonlyMap<string, string>): (emoji: Pick<Emoji, 'group'>) => EmojiPart {
  const emoji = emojiOf('twitter', folders);
  const items = emoji.map(({ group, category }) => ({ group, label: category }));
  const found = splitGroups(items, [60, 15, 25], 'emoji-parts');
  const byGroup = new Map(emoji.map(({ group }, i) => [group, parts[found[i]!]!]));
  return ({ group }) => byGroup.get(group) ?? 'train'; // three that Google alone has
}

export const emojiTransfer: ImageSuiteTask = {
  id: 'emoji-transfer',
  title: 'Category of an emoji of another vendor (Twemoji to Noto)',
  packages: [emojiPackage('twitter'), emojiPackage('google')],
  note:
    'Label: the category of emoji.json, as in emoji-category. Training and validation are Twitter’s drawings, the test Google’s of ' +
    'emoji that neither has; variants of one emoji are in one split.',
  async build(folders, to) {
    const partOf = partsOfGroups(folders);
    const placed = [
      ...emojiOf('twitter', folders).map((emoji) => ({ emoji, split: partOf(emoji) })).filter(({ split }) => split !== 'test'),
      ...emojiOf('google', folders).map((emoji) => ({ emoji, split: partOf(emoji) })).filter(({ split }) => split === 'test'),
    ]; // prettier-ignore
    return writeEmojiFolders(placed, to);
  },
};
