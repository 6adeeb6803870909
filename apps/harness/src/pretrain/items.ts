/** The unlabelled training set: what `--data` names, as a list of files. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve, sep } from 'node:path';
import { z } from 'zod';
import { DataError, type Rng, type Varispeed } from '@unlabel/core';
import { openZip } from '@unlabel/formats';
import { imageEndings, isImageName } from '@unlabel/image';

export interface Item {
  readonly path: string;
  /** Stable name within the set, for logs and hashes. */
  readonly name: string;
  /** Ids of tasks that use this recording, when the index knows. */
  readonly tasks?: readonly string[];
  /** What the index says it is. */
  readonly labels?: readonly string[];
  /** Pictures of the same time, for methods of sound and picture. */
  readonly frames?: string;
  /** Played so much higher and faster than the file has it (`recipe.varispeed`). */
  readonly semitones?: number;
}

/** An item's classes: the index's, or the folder's name. */
export const labelsOf = ({ labels, path }: Item): readonly string[] => labels ?? [basename(dirname(path))];

/** Ids of tasks whose clips are among the items. */
export const sawUnlabelled = (items: readonly Item[]): string[] =>
  [...new Set(items.flatMap((item) => item.tasks ?? []))].sort();

/** Each item followed by itself at other speeds; where these are ranges, by draws from the stream of its place in the list. */
export function atSpeeds(items: readonly Item[], varispeed: readonly Varispeed[] = [], rng: Rng): readonly Item[] {
  if (varispeed.length === 0) return items;
  return items.flatMap((item, i) => {
    const draws = rng.fork(i);
    const speeds = varispeed.map((one) => (typeof one === 'number' ? one : draws.range(...one)));
    return [item, ...speeds.map((semitones) => ({ ...item, semitones }))];
  });
}

const audioExtensions = new Set(['.wav', '.flac', '.mp3', '.ogg', '.oga', '.aif', '.aiff', '.w64', '.rf64']);

export type ItemModality = 'audio' | 'image' | 'audio-visual';

const isAudioName = (name: string): boolean => audioExtensions.has(extname(name).toLowerCase());
const isWanted = { audio: isAudioName, image: isImageName, 'audio-visual': isAudioName };
const wantedOf: Readonly<Record<ItemModality, readonly [what: string, endings: readonly string[], suite: string]>> = {
  audio: ['audio', [...audioExtensions], 'quickstart'],
  image: ['images', imageEndings, 'images'],
  'audio-visual': ['audio with pictures of the same name (.npy)', [...audioExtensions], 'binaural'],
};

/**
 * Items of one or more sources, in a fixed order: a folder (every audio file, or every image, below it; of a VOC tree its
 * photographs, not its masks), a JSON-lines index (`{"file": …}` a line, relative to the index), a list of a VOC tree
 * (`ImageSets/Main/trainval.txt`), COCO's instances (`annotations/instances_train2017.json`, images in a folder or a `.zip`), a `.zip`
 * of images, or single files. Of scenes: a folder `unlabel data build binaural` has written stands for its `train.jsonl`, and in other
 * folders a scene is an audio file beside its pictures (`a.wav`, `a.npy`).
 */
export async function listItems(sources: readonly string[], modality: ItemModality = 'audio'): Promise<Item[]> {
  const items: Item[] = [];
  for (const source of sources) {
    const path = resolve(source);
    if (!existsSync(path)) throw new DataError(`--data ${source}: no such file or folder.`);
    if (statSync(path).isDirectory()) items.push(...(await itemsOf(path, modality)));
    else if (path.endsWith('.jsonl')) items.push(...readIndex(path));
    else if (modality === 'image' && path.endsWith('.txt')) items.push(...readImageSet(path));
    else if (modality === 'image' && path.endsWith('.json')) items.push(...(await readInstances(path)));
    else if (modality === 'image' && path.endsWith('.zip')) items.push(...(await imagesInZip(path)));
    else items.push({ path, name: source, ...(modality === 'audio-visual' && { frames: framesOf(path) }) });
  }
  if (items.length === 0) {
    const [what, endings, suite] = wantedOf[modality];
    throw new DataError(
      `--data ${sources.join(' ')}: found no ${what} (${endings.join(', ')}). ` +
        `Name a folder with ${modality} files, or build the embedded set with: npx unlabel data build ${suite}`,
    );
  }
  const blind =
    modality === 'audio-visual' ? items.find(({ frames }) => frames === undefined || !existsSync(frames)) : undefined;
  if (blind)
    throw new DataError(
      `${blind.path}: its pictures are missing; expected ${blind.frames ?? 'a field "frames" in its line of the index'}.`,
    );
  return items;
}

async function itemsOf(folder: string, modality: ItemModality): Promise<Item[]> {
  if (modality !== 'audio-visual') return filesBelow(folder, modality);
  const index = join(folder, 'train.jsonl');
  if (existsSync(index)) return readIndex(index);
  const files = await filesBelow(folder, modality);
  return files.map((item) => ({ ...item, frames: framesOf(item.path) })).filter(({ frames }) => existsSync(frames));
}

/** `a.wav` → `a.npy` */
const framesOf = (path: string): string => `${path.slice(0, -extname(path).length)}.npy`;

async function filesBelow(folder: string, modality: ItemModality): Promise<Item[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const trees = entries
    .filter((entry) => entry.isDirectory() && entry.name === vocImages)
    .map((entry) => `${entry.parentPath}${sep}`);
  if (existsSync(join(folder, vocImages))) trees.push(`${folder}${sep}`);
  const isMask = (path: string): boolean =>
    trees.some((tree) => path.startsWith(tree) && !path.startsWith(`${tree}${vocImages}${sep}`));
  return entries
    .filter((entry) => entry.isFile() && isWanted[modality](entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => modality !== 'image' || !isMask(path))
    .sort()
    .map((path) => ({ path, name: path.slice(folder.length + 1) }));
}

const vocImages = 'JPEGImages';

/** `ImageSets/Main/trainval.txt`, a name a line (and a flag, in lists of a class): the files of `JPEGImages` beside it. */
function readImageSet(path: string): Item[] {
  const folder = join(dirname(path), '..', '..', vocImages);
  if (!existsSync(folder))
    throw new DataError(`${path}: expected a list in ImageSets/Main of a VOC tree; ${folder} does not exist.`);
  const names = readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => line.trim().split(/\s+/)[0] || []);
  return names.map((name) => ({ path: join(folder, `${name}.jpg`), name: `${basename(path, '.txt')}/${name}` }));
}

/** The images of an instances file, in the order of their ids. */
async function readInstances(path: string): Promise<Item[]> {
  const { readCocoTask } = await import('@unlabel/tasks');
  const { task, faults } = await readCocoTask(path);
  await task?.close();
  if (!task || faults.length > 0)
    throw new DataError(`${path}: cannot be used as COCO's instances with images: ${faults[0]}`, { faults });
  return [...task.splits].flatMap(([split, images]) =>
    images.map((image) => ({ path: task.imagePath(split, image), name: `${split}/${image.file}` })),
  );
}

async function imagesInZip(path: string): Promise<Item[]> {
  const zip = await openZip(path);
  await zip.close();
  return [...zip.entries.keys()]
    .filter((entry) => isImageName(entry) && !basename(entry).startsWith('.'))
    .sort()
    .map((entry) => ({ path: `${path}#${entry}`, name: entry }));
}

/** Fields of a line of an index that are read; others (licence, source) are for people. */
const lineSchema = z.looseObject({
  file: z.string().min(1),
  saw_unlabelled: z.record(z.string(), z.unknown()).optional(),
  labels: z.array(z.string()).optional(),
  frames: z.string().optional(),
});

function readIndex(path: string): Item[] {
  const base = dirname(path);
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line, i) => {
      if (line.trim() === '') return [];
      const parsed = lineSchema.safeParse(jsonOf(line));
      if (!parsed.success)
        throw new DataError(`${path}:${i + 1}: expected a JSON object with a "file", found: ${line.slice(0, 80)}`);
      const { file, saw_unlabelled: tasks, labels, frames } = parsed.data;
      return [
        {
          path: resolve(base, file),
          name: file,
          ...(tasks && { tasks: Object.keys(tasks) }),
          ...(labels && { labels }),
          ...(frames !== undefined && { frames: resolve(base, frames) }),
        },
      ];
    });
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
