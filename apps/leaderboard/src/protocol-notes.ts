/** What a reader must know of a protocol before setting its scores beside published ones. */
import type { Board } from './board.ts';

/** Notes on the protocols of a board; constants are those that the results state. */
export function protocolNotes({ rows }: Pick<Board, 'rows'>): string[] {
  const notes = rows.flatMap(({ protocol, cells }) => {
    const options = cells.find((cell) => cell !== undefined)?.result.protocol.options;
    if (protocol.startsWith('voc07-lowshot/')) return [lowShotNote];
    return /^detect(-tuned)?\//.test(protocol) && options ? [detectionNote(protocol, options)] : [];
  });
  return [...new Set(notes)];
}

const lowShotNote =
  'voc07-lowshot/v1 chooses the cost of its SVMs by their scores on the test images, as the published protocol does: all scores are ' +
  'somewhat too high, alike for all models.';

function detectionNote(protocol: string, options: Readonly<Record<string, unknown>>): string {
  const value = (key: string): string => {
    const found = options[key];
    return Array.isArray(found) ? found.join(', ') : String(found);
  };
  const network = options['backboneRate'] === 0 ? 'on frozen maps' : 'with the network fine-tuned';
  return (
    `${protocol} is this project's own probe, the same for every network: a one-stage detector without anchors (FCOS's head on a pyramid of ` +
    `strides ${value('strides')}, ${value('channels')} channels) trained ${network} for ${value('steps')} steps of ${value('batchSize')} images ` +
    `of ${value('imageSize')} pixels. The papers fine-tune the whole network inside Faster R-CNN (VOC: 24,000 steps of 16 images of 480 to 800 ` +
    `pixels) or Mask R-CNN (COCO: 90,000 to 180,000 steps): their numbers are higher, and cannot be set beside these.`
  );
}
