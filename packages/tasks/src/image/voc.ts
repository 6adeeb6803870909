/**
 * PASCAL VOC trees: `VOCdevkit/VOC2007/{JPEGImages,Annotations,ImageSets/Main}`. `<split>.txt` lists images,
 * `<class>_<split>.txt` flags them 1 (has the class), −1 (has not) or 0 (has only difficult objects of it).
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { DataError, isUnlabelError, type ImageTask, type TaskImage } from '@unlabel/core';
import { isSafeName, readText, shown, type Findings } from '../read-text.ts';
import { filesInFolder, reportMissing } from './files.ts';
import { boxOfCorners, boxProblem, parseVocAnnotation, type VocAnnotation } from './voc-annotation.ts';

export interface VocTask extends ImageTask {
  /** What each image's annotation says, by image; images without a file have none. */
  readonly annotations: ReadonlyMap<string, VocAnnotation>;
  /** Images of each split of the segmentation task, where the tree has one. */
  readonly segmentation: ReadonlyMap<string, readonly string[]>;
}

/** Whether a folder is a tree of one year. */
export const isVocTree = (dir: string): boolean => existsSync(join(dir, 'ImageSets', 'Main'));

/**
 * Reads lists, flags and annotations; images are looked for unless told otherwise, not decoded. `task` is undefined when there
 * is no split.
 */
export async function readVocTask(
  dir: string,
  { needsImages = true }: { readonly needsImages?: boolean } = {},
): Promise<Findings & { task: VocTask | undefined }> {
  const findings: Findings = { faults: [], warnings: [] };
  const hash = createHash('sha256');
  const lists = await readLists(join(dir, 'ImageSets', 'Main'), findings, hash);
  const vocabulary = [...new Set(lists.flags.map(({ name }) => name))].sort();
  if (lists.splits.size === 0) {
    findings.faults.push(`${dir}: ImageSets/Main has no list of images, such as train.txt`);
    return { ...findings, task: undefined };
  }
  const annotations = await readAnnotations(dir, lists.splits, findings, hash);
  if (vocabulary.length === 0) {
    const names = [...annotations.values()].flatMap(({ objects }) => objects.map(({ name }) => name));
    vocabulary.push(...[...new Set(names)].sort());
    findings.warnings.push(`${dir}: ImageSets/Main has no class files; labels are those of the annotations`);
  }
  const images = filesInFolder(join(dir, 'JPEGImages'));
  const splits = new Map<string, readonly TaskImage[]>();
  for (const [split, ids] of lists.splits) {
    const flags = new Map(lists.flags.filter((one) => one.split === split).map(({ name, byImage }) => [name, byImage]));
    const rows = ids.map((id) => imageOf(id, vocabulary, flags, annotations.get(id), findings));
    splits.set(split, rows);
    checkFlags(split, rows, vocabulary, flags, findings);
    if (needsImages && existsSync(images.name))
      reportMissing(
        ids.map((id) => `${id}.jpg`),
        `ImageSets/Main/${split}.txt`,
        images,
        findings,
      );
  }
  const hasImages = existsSync(images.name);
  if (needsImages && !hasImages) findings.faults.push(`${dir}: has no folder JPEGImages`);
  const task: VocTask = {
    layout: 'voc',
    id: basename(resolve(dir)).toLowerCase(),
    revision: `voc@${hash.digest('hex').slice(0, 12)}`,
    dir: resolve(dir),
    predictionType: 'multilabel',
    hasBoxes: annotations.size > 0,
    vocabulary,
    splits,
    annotations,
    segmentation: await readSegmentation(dir, findings),
    imagePath: (_, { file }) => images.pathOf(basename(file)),
    readImage: (_, { file }) => images.read(basename(file)),
    close: async () => {},
  };
  return { ...findings, task: needsImages && !hasImages ? undefined : task };
}

/**
 * Flags of the class files [n, K] row-major, for `fitVocSvm`: 1 has the class, −1 has not, 0 has only difficult objects of it.
 * Rows are the images of the split in the order of `task.splits`.
 */
export function vocFlagsOf(task: VocTask, split: string): Int8Array {
  const images = task.splits.get(split);
  if (!images)
    throw new DataError(`${task.dir}: has no split "${split}"; there are ${[...task.splits.keys()].join(', ')}`);
  const K = task.vocabulary.length;
  const flags = new Int8Array(images.length * K).fill(-1);
  images.forEach(({ labels, ignored = [] }, i) => {
    for (const label of labels) flags[i * K + label] = 1;
    for (const label of ignored) flags[i * K + label] = 0;
  });
  return flags;
}

interface ClassFlags {
  readonly name: string;
  readonly split: string;
  readonly byImage: ReadonlyMap<string, number>;
}

interface Lists {
  readonly splits: ReadonlyMap<string, readonly string[]>;
  readonly flags: readonly ClassFlags[];
}

/** A file `a_b.txt` is a class file when its lines have flags. */
async function readLists(dir: string, findings: Findings, hash: ReturnType<typeof createHash>): Promise<Lists> {
  const names = (await readdir(dir).catch(() => [] as string[])).filter((name) => name.endsWith('.txt')).sort();
  const splits = new Map<string, readonly string[]>();
  const flags: ClassFlags[] = [];
  for (const name of names) {
    const file = `ImageSets/Main/${name}`;
    const text = await readText(join(dir, '..', '..'), file, findings);
    if (text === undefined) continue;
    hash.update(name).update('\0').update(text);
    const lines = text.split('\n').map((line) => line.trim()).filter((line) => line !== ''); // prettier-ignore
    const rows = lines.map((line) => line.split(/\s+/));
    const stem = name.slice(0, -4);
    const isClass = stem.includes('_') && rows.length > 0 && rows.every((row) => row.length === 2);
    const ids = rows.map(([id]) => id!);
    const unsafe = ids.find((id) => !isSafeName(id));
    if (unsafe !== undefined) {
      findings.faults.push(`${file}: ${shown(unsafe)} is no image name`);
      continue;
    }
    const repeated = repeatedIn(ids);
    if (repeated !== undefined) findings.faults.push(`${file}: ${shown(repeated)} is listed more than once`);
    if (!isClass) {
      const odd = rows.find((row) => row.length > 1);
      if (odd)
        findings.warnings.push(
          `${file}: is not read; its lines have more than an image name (${shown(odd.join(' '))})`,
        );
      else splits.set(stem, [...new Set(ids)]);
      continue;
    }
    const at = stem.lastIndexOf('_');
    const bad = rows.find(([, flag]) => flag !== '1' && flag !== '0' && flag !== '-1');
    if (bad) findings.faults.push(`${file}: expected -1, 0 or 1 after ${bad[0]}, found ${shown(bad[1])}`);
    const byImage = new Map(rows.map(([id, flag]) => [id!, Number(flag)]));
    flags.push({ name: stem.slice(0, at), split: stem.slice(at + 1), byImage });
  }
  return { splits, flags };
}

function repeatedIn(ids: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return ids.find((id) => seen.size === seen.add(id).size);
}

async function readAnnotations(
  dir: string,
  splits: Lists['splits'],
  findings: Findings,
  hash: ReturnType<typeof createHash>,
): Promise<Map<string, VocAnnotation>> {
  const annotations = new Map<string, VocAnnotation>();
  const missing = new Set<string>();
  for (const id of new Set([...splits.values()].flat())) {
    const file = `Annotations/${id}.xml`;
    const xml = await readFile(join(dir, file), 'utf8').catch(() => undefined);
    if (xml === undefined) {
      missing.add(id);
      continue;
    }
    hash.update(id).update('\0').update(xml);
    try {
      annotations.set(id, parseVocAnnotation(xml, file));
    } catch (error) {
      if (!isUnlabelError(error)) throw error;
      findings.faults.push(error.message);
    }
  }
  const lost = new Set<string>();
  for (const [split, ids] of splits) {
    const own = ids.filter((id) => missing.has(id));
    // Annotations of the 2012 test images were never published: a split without any is one for classification or submission.
    if (own.length > 0 && own.length === ids.length)
      findings.warnings.push(`ImageSets/Main/${split}.txt: none of its images has an annotation; it is without boxes`);
    else own.forEach((id) => lost.add(id));
  }
  for (const id of lost) findings.faults.push(`Annotations/${id}.xml: is missing, ImageSets/Main lists its image`);
  return annotations;
}

function imageOf(
  id: string,
  vocabulary: readonly string[],
  flags: ReadonlyMap<string, ReadonlyMap<string, number>>,
  annotation: VocAnnotation | undefined,
  findings: Findings,
): TaskImage {
  const objects = annotation?.objects.flatMap(({ name, box, isDifficult }) => {
    const label = vocabulary.indexOf(name);
    if (label < 0) findings.faults.push(`Annotations/${id}.xml: ${shown(name)} is no class of ImageSets/Main`);
    const xywh = boxOfCorners(box);
    const problem = boxProblem(xywh, annotation.width, annotation.height);
    if (problem)
      (problem.isFault ? findings.faults : findings.warnings).push(`Annotations/${id}.xml: ${name}: ${problem.what}`);
    return label < 0 ? [] : [{ label, box: xywh, area: xywh[2] * xywh[3], isCrowd: false, isDifficult }];
  });
  const flagOf = (name: string, label: number): number => {
    const flag = flags.get(name)?.get(id);
    if (flag !== undefined) return flag;
    const own = objects?.filter((object) => object.label === label) ?? [];
    return own.length === 0 ? -1 : own.every(({ isDifficult }) => isDifficult) ? 0 : 1;
  };
  const all = vocabulary.map(flagOf);
  const indicesOf = (wanted: number): number[] => [...all.keys()].filter((label) => all[label] === wanted);
  return {
    id,
    file: `JPEGImages/${id}.jpg`,
    width: annotation?.width,
    height: annotation?.height,
    labels: indicesOf(1),
    ignored: indicesOf(0),
    ...(objects && { objects }),
  };
}

/** Class files list the images of their split, and agree with the annotations. */
function checkFlags(
  split: string,
  rows: readonly TaskImage[],
  vocabulary: readonly string[],
  flags: ReadonlyMap<string, ReadonlyMap<string, number>>,
  { faults, warnings }: Findings,
): void {
  if (flags.size === 0) return;
  const ids = new Set(rows.map(({ id }) => id));
  for (const [label, name] of vocabulary.entries()) {
    const byImage = flags.get(name);
    const file = `ImageSets/Main/${name}_${split}.txt`;
    if (byImage === undefined) {
      faults.push(`${file}: is missing; other classes have theirs`);
      continue;
    }
    const lost = rows.filter(({ id }) => !byImage.has(id));
    const added = [...byImage.keys()].filter((id) => !ids.has(id));
    if (lost.length > 0)
      faults.push(`${file}: ${lost.length} images of ${split}.txt have no flag, such as ${lost[0]!.id}`);
    if (added.length > 0) faults.push(`${file}: ${added.length} images are not in ${split}.txt, such as ${added[0]!}`);
    const differing = rows.filter(({ labels, objects }) => {
      const isThere = objects?.some((object) => object.label === label && !object.isDifficult);
      return isThere !== undefined && isThere !== labels.includes(label);
    });
    if (differing.length > 0)
      warnings.push(
        `${file}: ${differing.length} flags differ from the annotations, such as ${differing[0]!.id}; the flags count`,
      );
  }
}

async function readSegmentation(dir: string, findings: Findings): Promise<Map<string, readonly string[]>> {
  const folder = join(dir, 'ImageSets', 'Segmentation');
  const names = (await readdir(folder).catch(() => [] as string[])).filter((name) => name.endsWith('.txt')).sort();
  const splits = new Map<string, readonly string[]>();
  for (const name of names) {
    const text = await readText(dir, `ImageSets/Segmentation/${name}`, findings);
    const ids = text?.split(/\s+/).filter((id) => id !== '') ?? [];
    splits.set(name.slice(0, -4), ids);
    for (const kind of ['SegmentationClass', 'SegmentationObject']) {
      const missing = ids.filter((id) => !existsSync(join(dir, kind, `${id}.png`)));
      if (missing.length > 0)
        findings.warnings.push(`${kind}: ${missing.length} masks of ${name} are missing, such as ${missing[0]!}.png`);
    }
  }
  return splits;
}
