/** What a drawing shows, of seven categories. */
import { writeEmojiFolders } from './class-folders.ts';
import { emojiOf } from './emoji.ts';
import type { ImageSuiteTask } from './image-suite-task.ts';
import { emojiPackage } from './packages.ts';
import { foldsOfEmoji } from './pretrain.ts';

export const emojiCategory: ImageSuiteTask = {
  id: 'emoji-category',
  title: 'Category of an emoji (Twemoji)',
  packages: [emojiPackage('twitter')],
  note:
    'Label: the category of emoji.json; flags and skin tones are left out. Drawings of 64 × 64 pixels over white. Five stratified ' +
    'folds; variants of one emoji (gender, families, hours, phases of the moon, colours) are in one fold.',
  async build(folders, to) {
    const emoji = emojiOf('twitter', folders);
    const folds = foldsOfEmoji(emoji);
    return writeEmojiFolders(
      emoji.map((one, i) => ({ emoji: one, split: folds[i]! })),
      to,
    );
  },
};
