/** Detections made elsewhere, for VOC: the devkit's text files, or a JSON array. */
import { readdir, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { DataError, messageOf } from '@unlabel/core';
import { readJsonRecords } from '@unlabel/formats';
import type { VocBox, VocDetection, VocObject } from '@unlabel/probes';
import { readText, type Findings } from '../read-text.ts';
import type { VocTask } from './voc.ts';

/**
 * Objects of each image of a split, for `evaluateVoc`.
 * @throws DataError when the split is not there or an image has no annotation
 */
export function vocTruthOf(task: VocTask, split: string): ReadonlyMap<string, readonly VocObject[]> {
  const images = task.splits.get(split);
  if (!images)
    throw new DataError(`${task.dir}: has no split "${split}"; there are ${[...task.splits.keys()].join(', ')}`);
  return new Map(
    images.map(({ id }) => {
      const annotation = task.annotations.get(id);
      if (!annotation) throw new DataError(`${task.dir}: ${id} of ${split} has no annotation to score against`);
      return [id, annotation.objects];
    }),
  );
}

/**
 * Detections of a `.json` file, an array of `{ image_id, category, score, bbox_xyxy }` with corners from 0 and ends excluded as
 * detectors give them, or of a folder of the devkit's `<anything>_<class>.txt`, lines of image, score and corners from 1.
 * @throws DataError naming file and line
 */
export async function readVocDetections(path: string, classes: readonly string[]): Promise<VocDetection[]> {
  const entry = await stat(path).catch((cause: unknown) => {
    throw new DataError(`${path}: could not be read (${messageOf(cause)})`, { cause });
  });
  return entry.isDirectory() ? readTexts(path, classes) : readJsonDetections(path);
}

async function readJsonDetections(path: string): Promise<VocDetection[]> {
  const detections: VocDetection[] = [];
  const keys = await readJsonRecords(path, {
    '': (record) => {
      const where = `${path}: detection ${detections.length}`;
      const row = (typeof record === 'object' && record !== null ? record : {}) as Readonly<Record<string, unknown>>;
      const { image_id: image, category: name, score, bbox_xyxy: box } = row;
      if (typeof image !== 'string' || typeof name !== 'string')
        throw new DataError(`${where}: expected image_id and category as texts`);
      if (typeof score !== 'number') throw new DataError(`${where}: expected a number as score`);
      if (!Array.isArray(box) || box.length !== 4 || !box.every((corner) => typeof corner === 'number'))
        throw new DataError(`${where}: expected bbox_xyxy [x1, y1, x2, y2]`);
      const [x1, y1, x2, y2] = box as [number, number, number, number];
      detections.push({ image, name, score, box: [x1 + 1, y1 + 1, x2, y2] });
    },
  });
  if (!keys.has('')) throw new DataError(`${path}: expected an array of detections`);
  return detections;
}

async function readTexts(dir: string, classes: readonly string[]): Promise<VocDetection[]> {
  const files = (await readdir(dir)).filter((name) => name.endsWith('.txt')).sort();
  const detections: VocDetection[] = [];
  for (const name of classes) {
    const own = files.filter((file) => file === `${name}.txt` || file.endsWith(`_${name}.txt`));
    if (own.length !== 1)
      throw new DataError(`${dir}: expected one file of detections of ${name} (…_${name}.txt), found ${own.length}`);
    const findings: Findings = { faults: [], warnings: [] };
    const text = await readText(dir, own[0]!, findings);
    if (text === undefined) throw new DataError(`${dir}: ${findings.faults.join('; ')}`);
    text.split('\n').forEach((line, i) => {
      if (line.trim() === '') return;
      const [image, ...numbers] = line.trim().split(/\s+/);
      const [score, ...box] = numbers.map(Number);
      if (numbers.length !== 5 || [score, ...box].some((value) => !Number.isFinite(value)))
        throw new DataError(`${basename(dir)}/${own[0]!}: line ${i + 1}: expected image, score and four corners`);
      detections.push({ image: image!, name, score: score!, box: box as unknown as VocBox });
    });
  }
  return detections;
}
