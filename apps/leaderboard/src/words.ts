/** What the test items of a board are called. */
import type { BoardTask } from './board.ts';

export interface ItemWords {
  /** `clips`, `images`; on a board of both, `items`. */
  readonly items: string;
  /** What a model did with the training items that it had without their labels. */
  readonly met: string;
}

export function wordsOf(tasks: readonly Pick<BoardTask, 'modality'>[]): ItemWords {
  const [hasImages, hasSounds] = [
    tasks.some(({ modality }) => modality === 'image'),
    tasks.some(({ modality }) => modality !== 'image'),
  ];
  if (!hasImages) return { items: 'clips', met: 'heard' };
  return hasSounds ? { items: 'items', met: 'met' } : { items: 'images', met: 'seen' };
}
