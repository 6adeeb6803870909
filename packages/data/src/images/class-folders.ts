/** Emoji as class folders: `<split>/<category>/<code points>.png` over white. */
import { decodeImage, encodePng } from '@unlabel/image';
import type { Emoji } from './emoji.ts';
import type { TaskFolder } from './image-suite-task.ts';

/** A drawing over white, RGB [64, 64, 3]. */
export async function emojiPng({ path }: Emoji): Promise<Uint8Array> {
  return encodePng(await decodeImage(path, { alpha: 'white' }));
}

/** @returns number of images */
export async function writeEmojiFolders(
  placed: readonly { readonly emoji: Emoji; readonly split: string }[],
  to: TaskFolder,
): Promise<number> {
  for (const { emoji, split } of placed) to.write(`${split}/${emoji.category}/${emoji.id}.png`, await emojiPng(emoji));
  return placed.length;
}
