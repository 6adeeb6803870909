/**
 * COCO instances files (`annotations/instances_<split>.json`) with their images in `<split>/`, `images/<split>/`, `images/` or
 * a `.zip` of those names. Files are streamed: what is kept is a few numbers an object.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DataError, isUnlabelError, type ImageObject, type ImageTask, type TaskImage } from '@unlabel/core';
import { readJsonRecords } from '@unlabel/formats';
import { createDetections, createGroundTruth, type CocoDetections, type CocoGroundTruth } from '@unlabel/probes';
import type { Findings } from '../read-text.ts';
import { openImageFiles, reportMissing, type ImageFiles } from './files.ts';
import { boxProblem } from './voc-annotation.ts';

export interface CocoTask extends ImageTask {
  /** Ground truth of each split, for `evaluateCoco`. */
  readonly truths: ReadonlyMap<string, CocoGroundTruth>;
}

/** Faults of one file after this many are not looked for. */
const maxFaults = 100;

export interface ReadCocoOptions {
  /** Segmentations too; they take most of the memory. */
  readonly withMasks: boolean;
  /** Called with each fault of a record instead of throwing the first. */
  readonly onFault?: (fault: string) => void;
}

/**
 * Ground truth of an instances file.
 * @throws DataError naming the file and the record, for what would give wrong numbers in silence
 */
export async function readCocoGroundTruth(
  path: string,
  { withMasks, onFault }: ReadCocoOptions,
): Promise<CocoGroundTruth> {
  const builder = createGroundTruth({ withMasks });
  let faults = 0;
  const guarded =
    (add: (record: unknown) => void) =>
    (record: unknown): void => {
      try {
        add(record);
      } catch (error) {
        if (!onFault || !isUnlabelError(error) || ++faults > maxFaults) throw named(path, error);
        onFault(`${path}: ${error.message}`);
      }
    };
  const keys = await readJsonRecords(path, {
    images: guarded((image) => builder.addImage(image)),
    annotations: guarded((annotation) => builder.addAnnotation(annotation)),
    categories: guarded((category) => builder.addCategory(category)),
  });
  const missing = ['images', 'annotations', 'categories'].filter((key) => !keys.has(key));
  if (missing.length > 0)
    throw new DataError(`${path}: has no ${missing.join(', ')}; expected an instances file of COCO`);
  try {
    return builder.finish();
  } catch (error) {
    throw named(path, error);
  }
}

/**
 * Detections of a results file: an array of `{ image_id, category_id, score, bbox | segmentation }`.
 * @throws DataError naming the file and the record
 */
export async function readCocoDetections(
  path: string,
  truth: CocoGroundTruth,
  { withMasks }: { readonly withMasks: boolean },
): Promise<CocoDetections> {
  const builder = createDetections(truth, { withMasks });
  let isArray = false;
  try {
    isArray = (await readJsonRecords(path, { '': (record) => builder.add(record) })).has('');
  } catch (error) {
    throw named(path, error);
  }
  if (!isArray) throw new DataError(`${path}: expected an array of results`);
  return builder.finish();
}

/** The file in front of a message that does not name it. */
function named(path: string, error: unknown): unknown {
  if (!isUnlabelError(error) || error.message.startsWith(path)) return error;
  return new DataError(`${path}: ${error.message}`, { cause: error });
}

const annotationFile = /^instances_(.+)\.json$/;

/** Instances files of a folder, by split. */
export async function cocoFiles(dir: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(dir, 'annotations');
  const names = (await readdir(folder).catch(() => [] as string[])).sort();
  return new Map(
    names.flatMap((name): [string, string][] => {
      const split = annotationFile.exec(name)?.[1];
      return split === undefined ? [] : [[split, join(folder, name)]];
    }),
  );
}

/** Reads the instances files of a folder, or one file. `task` is undefined when none can be read. */
export async function readCocoTask(path: string): Promise<Findings & { task: CocoTask | undefined }> {
  const findings: Findings = { faults: [], warnings: [] };
  const isFile = path.endsWith('.json');
  const dir = isFile ? dirname(path) : path;
  const stem = basename(path, '.json');
  const files = isFile ? new Map([[annotationFile.exec(basename(path))?.[1] ?? stem, path]]) : await cocoFiles(path);
  const truths = new Map<string, CocoGroundTruth>();
  const hash = createHash('sha256');
  for (const [split, file] of files) {
    try {
      const before = findings.faults.length;
      const onFault = (fault: string): void => void findings.faults.push(fault);
      const truth = await readCocoGroundTruth(file, { withMasks: false, onFault });
      findings.warnings.push(...truth.notes.map((note) => `${file}: ${note}`));
      if (findings.faults.length === before) truths.set(split, truth);
    } catch (error) {
      if (!isUnlabelError(error)) throw error;
      findings.faults.push(error.message);
      continue;
    }
    for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array); // no encoding: bytes
  }
  const [first] = truths.values();
  if (!first) {
    if (files.size === 0) findings.faults.push(`${dir}: annotations/ holds no instances_<split>.json`);
    return { ...findings, task: undefined };
  }
  const vocabulary = first.categories.map(({ name }) => name);
  const sources = new Map<string, ImageFiles>();
  const splits = new Map<string, readonly TaskImage[]>();
  for (const [split, truth] of truths) {
    const names = truth.categories.map(({ name }) => name);
    if (names.join('\n') !== vocabulary.join('\n'))
      findings.faults.push(`${files.get(split)!}: its categories are not those of the other splits`);
    splits.set(split, imagesOf(truth, files.get(split)!, findings));
    const source = await findImages(isFile ? [dir, dirname(dir)] : [dir], split, truth);
    if (source) sources.set(split, source);
    else
      findings.faults.push(
        `${files.get(split)!}: its images were not found, looked for ${split}/, images/${split}/, images/ and ${split}.zip`,
      );
    if (source)
      reportMissing(
        splits.get(split)!.map(({ file }) => file),
        basename(files.get(split)!),
        source,
        findings,
      );
  }
  const sourceOf = (split: string): ImageFiles => {
    const source = sources.get(split);
    if (!source) throw new DataError(`the images of ${split} were not found`);
    return source;
  };
  const task: CocoTask = {
    layout: 'coco',
    id: (isFile ? stem : basename(resolve(dir))).toLowerCase(),
    revision: `coco@${hash.digest('hex').slice(0, 12)}`,
    dir: resolve(dir),
    predictionType: 'multilabel',
    hasBoxes: true,
    vocabulary,
    splits,
    truths,
    imagePath: (split, { file }) => sourceOf(split).pathOf(file),
    readImage: async (split, { file }) => sourceOf(split).read(file),
    close: async () => {
      for (const source of sources.values()) await source.close();
    },
  };
  return { ...findings, task };
}

function imagesOf({ images, objects, categories }: CocoGroundTruth, file: string, findings: Findings): TaskImage[] {
  const perImage = images.map((): ImageObject[] => []);
  const counts = new Map<string, { first: string; count: number; isFault: boolean }>();
  for (let i = 0; i < objects.count; i++) {
    const at = objects.image[i]!;
    const box = [...objects.boxes.subarray(4 * i, 4 * i + 4)] as [number, number, number, number];
    const label = objects.category[i]!;
    perImage[at]!.push({ label, box, area: objects.areas[i]!, isCrowd: objects.isCrowd[i] === 1, isDifficult: false });
    const { width, height } = images[at]!;
    // A box without area is noted with the ground truth: COCO's own files have some.
    const problem = box[2] === 0 || box[3] === 0 ? undefined : boxProblem(box, knownSide(width), knownSide(height));
    if (!problem) continue;
    const first = `annotation ${objects.ids[i]} (${categories[label]!.name}): ${problem.what}`;
    const kind = problem.isFault ? 'outside' : 'reaching out';
    const held = counts.get(kind);
    if (held) held.count++;
    else counts.set(kind, { first, count: 1, isFault: problem.isFault });
  }
  for (const { first, count, isFault } of counts.values())
    (isFault ? findings.faults : findings.warnings).push(
      `${file}: ${first}${count > 1 ? `, and ${count - 1} more like it` : ''}`,
    );
  return images.map(({ id, width, height, fileName }, i) => {
    const own = perImage[i]!;
    if (fileName === undefined) findings.faults.push(`${file}: image ${id} has no file_name`);
    return {
      id: String(id),
      file: fileName ?? `${id}.jpg`,
      width: knownSide(width),
      height: knownSide(height),
      labels: [...new Set(own.map(({ label }) => label))].sort((a, b) => a - b),
      objects: own,
    };
  });
}

const knownSide = (side: number): number | undefined => (Number.isFinite(side) && side > 0 ? side : undefined);

/** The first place that holds the split's first image; else the first folder for images that exists. */
async function findImages(
  roots: readonly string[],
  split: string,
  { images }: CocoGroundTruth,
): Promise<ImageFiles | undefined> {
  const names = [
    split,
    join('images', split),
    'images',
    `${split}.zip`,
    join('images', `${split}.zip`),
    'images.zip',
    '.',
  ];
  const found = roots.flatMap((root) => names.map((name) => join(root, name))).filter((path) => existsSync(path));
  const wanted = images[0]?.fileName;
  let fallback: ImageFiles | undefined;
  for (const path of found) {
    const files = await openImageFiles(path);
    if (wanted === undefined || files.has(wanted)) {
      if (fallback && fallback !== files) await fallback.close();
      return files;
    }
    if (fallback === undefined && !roots.includes(path)) fallback = files;
    else await files.close();
  }
  return fallback;
}
