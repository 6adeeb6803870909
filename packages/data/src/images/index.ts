/** The tasks of the embedded image suite. A new one is a file here and a line in this table. */
import { emojiCategory } from './emoji-category.ts';
import { emojiScatter, emojiScatterVoc } from './emoji-scatter.ts';
import { emojiTransfer } from './emoji-transfer.ts';
import type { ImageSuiteTask } from './image-suite-task.ts';
import { mnist10k } from './mnist10k.ts';
import { imagePretrain } from './pretrain.ts';
import { treesCoco, treesVoc } from './trees.ts';

export const imageTasks: readonly ImageSuiteTask[] = [
  emojiCategory,
  emojiScatter,
  emojiScatterVoc,
  emojiTransfer,
  mnist10k,
  imagePretrain,
  treesCoco,
  treesVoc,
];
