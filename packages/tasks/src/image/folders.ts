/**
 * Class folders as for ImageNet: `train/<class>/*.jpg`, `val/<class>/*.jpg`, or `fold00/<class>/*.jpg`, `fold01/…`; a class's index
 * is its place among the names.
 */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { isImageName } from '@unlabel/image';
import type { ImageTask, TaskImage } from '@unlabel/core';
import type { Findings } from '../read-text.ts';
import { filesInFolder, foldersIn } from './files.ts';

const splitNames = ['train', 'valid', 'val', 'validation', 'test'];
const foldName = /^fold\d+$/;

/** Splits of a folder that have class folders. */
export async function folderSplits(dir: string): Promise<string[]> {
  const folders = await foldersIn(dir);
  const splits: string[] = [];
  const names = [
    ...splitNames.filter((name) => folders.includes(name)),
    ...folders.filter((name) => foldName.test(name)),
  ];
  for (const split of names) if ((await foldersIn(join(dir, split))).length > 0) splits.push(split);
  return splits;
}

/** Lists the images. Hidden files and files that are no images by name are left out, the latter with a warning. */
export async function readFolderTask(dir: string): Promise<Findings & { task: ImageTask | undefined }> {
  const findings: Findings = { faults: [], warnings: [] };
  const names = await folderSplits(dir);
  const classes = await Promise.all(names.map((split) => foldersIn(join(dir, split))));
  const vocabulary = [...new Set(classes.flat())].sort();
  if (names.length === 0 || vocabulary.length === 0) {
    findings.faults.push(`${dir}: expected train/<class>/ and val/<class>/, or fold00/<class>/ and so on, with images`);
    return { ...findings, task: undefined };
  }
  const hasFolds = names.some((name) => foldName.test(name));
  if (!names.includes('train') && !hasFolds) findings.warnings.push(`${dir}: has no train/`);
  const hash = createHash('sha256');
  const splits = new Map<string, readonly TaskImage[]>();
  for (const [s, split] of names.entries()) {
    const images: TaskImage[] = [];
    const absent = vocabulary.filter((name) => !classes[s]!.includes(name));
    if (absent.length > 0)
      findings.warnings.push(`${split}/: ${absent.length} classes of other splits are missing, such as ${absent[0]!}`);
    for (const name of classes[s]!) {
      const files = (await readdir(join(dir, split, name))).filter((file) => !file.startsWith('.')).sort();
      const own = files.filter(isImageName);
      if (own.length === 0) findings.faults.push(`${split}/${name}/: holds no image`);
      const others = files.filter((file) => !isImageName(file));
      if (others.length > 0)
        findings.warnings.push(`${split}/${name}/: ${others.length} files are no images, such as ${others[0]!}`);
      const label = vocabulary.indexOf(name);
      for (const file of own) {
        hash.update(`${split}/${name}/${file}\n`);
        images.push({ id: `${name}/${file}`, file: `${split}/${name}/${file}`, labels: [label] });
      }
    }
    splits.set(split, images);
  }
  const files = filesInFolder(dir);
  const task: ImageTask = {
    layout: 'folders',
    id: basename(resolve(dir)).toLowerCase(),
    revision: `folders@${hash.digest('hex').slice(0, 12)}`,
    dir: resolve(dir),
    predictionType: 'multiclass',
    hasBoxes: false,
    vocabulary,
    splits,
    imagePath: (_, { file }) => files.pathOf(file),
    readImage: (_, { file }) => files.read(file),
    close: async () => {},
  };
  return { ...findings, task };
}
