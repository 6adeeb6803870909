/** Where emoji are in a scene, and of which category: composed detection, as COCO and as VOC. */
import { createRng } from '@unlabel/core';
import { encodeJpeg } from '@unlabel/image';
import { composeScene, type Labelled } from './compose-scene.ts';
import { writeDetection, type DetectionLayout, type Scene } from './detection-files.ts';
import { emojiOf, readCutOut } from './emoji.ts';
import { partsOfGroups, type EmojiPart } from './emoji-transfer.ts';
import type { ImageSuiteTask } from './image-suite-task.ts';
import { emojiPackage } from './packages.ts';
import { treePhotos } from './trees.ts';

const side = 192;
const quality = 90;
const scenesOf: Readonly<Record<EmojiPart, number>> = { train: 400, valid: 100, test: 200 };

interface Scenes {
  readonly scenes: readonly Scene[];
  readonly vocabulary: readonly string[];
}

/** The last that were composed: both layouts hold the same scenes. */
let composed: { readonly folder: string | undefined; readonly made: Promise<Scenes> } | undefined;

function scatterScenes(folders: ReadonlyMap<string, string>): Promise<Scenes> {
  const folder = folders.get(emojiPackage('twitter').name);
  if (composed?.folder !== folder) composed = { folder, made: composeAll(folders) };
  return composed!.made;
}

/** Each scene is drawn by its own place. */
async function composeAll(folders: ReadonlyMap<string, string>): Promise<Scenes> {
  const emoji = emojiOf('twitter', folders);
  const partOf = partsOfGroups(folders);
  const vocabulary = [...new Set(emoji.map(({ category }) => category))].sort();
  const scenes: Scene[] = [];
  for (const [split, count] of Object.entries(scenesOf) as [EmojiPart, number][]) {
    const cutOuts: Labelled[] = [];
    for (const one of emoji.filter((candidate) => partOf(candidate) === split))
      cutOuts.push({ cutOut: await readCutOut(one), label: vocabulary.indexOf(one.category) });
    const photos = await treePhotos(split);
    for (let i = 0; i < count; i++) {
      const { objects, ...image } = composeScene({ side, cutOuts, photos }, createRng(0).fork('emoji-scatter').fork(split).fork(i)); // prettier-ignore
      const id = `${split}_${String(i).padStart(6, '0')}`;
      scenes.push({ id, split, width: side, height: side, jpeg: await encodeJpeg(image, quality), objects });
    }
  }
  return { scenes, vocabulary };
}

const scatter = (id: string, layout: DetectionLayout): ImageSuiteTask => ({
  id,
  title: `Emoji scattered over backgrounds (Twemoji), as ${layout.toUpperCase()} lays detection out`,
  packages: [emojiPackage('twitter')],
  note:
    'Composed: 2 to 7 drawings of 20 to 80 pixels, some mirrored, over gradients, stripes, clouds of colour and photographs of the ' +
    'trees task, 192 × 192 pixels. Boxes are of what can be seen; of an object at least 30 % can, and where it is less than half ' +
    'the object is difficult (VOC) or a crowd (COCO). Emoji and photographs of a split are in no other.',
  async build(folders, to) {
    const { scenes, vocabulary } = await scatterScenes(folders);
    return writeDetection(layout, scenes, vocabulary, to);
  },
});

export const emojiScatter = scatter('emoji-scatter', 'coco');
export const emojiScatterVoc = scatter('emoji-scatter-voc', 'voc');
