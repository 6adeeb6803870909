/** Opens image tasks, whichever layout they are in. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, type ImageTask } from '@unlabel/core';
import type { Findings } from '../read-text.ts';
import { cocoFiles, readCocoTask } from './coco.ts';
import { foldersIn } from './files.ts';
import { folderSplits, readFolderTask } from './folders.ts';
import { isVocTree, readVocTask } from './voc.ts';

/**
 * Image tasks at a path: a VOC tree, a folder with `annotations/instances_*.json` (or such a file), class folders; else those that
 * the folder, its `VOCdevkit/` or its `images/` (`unlabel data build images`) holds. Empty when there are none.
 */
export async function findImageTasks(path: string): Promise<string[]> {
  if (await isImageTask(path)) return [path];
  for (const folder of [path, join(path, 'VOCdevkit'), join(path, 'images')]) {
    const held = (await foldersIn(folder)).map((name) => join(folder, name));
    const areTasks = await Promise.all(held.map(isImageTask));
    const tasks = held.filter((_, i) => areTasks[i]);
    if (tasks.length > 0) return tasks;
  }
  return [];
}

async function isImageTask(path: string): Promise<boolean> {
  if (path.endsWith('.json')) return existsSync(path);
  return isVocTree(path) || (await cocoFiles(path)).size > 0 || (await folderSplits(path)).length > 0;
}

/** Reads the task at a path from `findImageTasks`, with all that is wrong with it short of decoding its images. */
export async function readImageTask(path: string): Promise<Findings & { task: ImageTask | undefined }> {
  if (isVocTree(path)) return readVocTask(path);
  if (path.endsWith('.json') || (await cocoFiles(path)).size > 0) return readCocoTask(path);
  return readFolderTask(path);
}

/** @throws DataError with every fault, one a line and in `faults` */
export async function openImageTask(path: string): Promise<ImageTask> {
  const { task, faults } = await readImageTask(path);
  if (task && faults.length === 0) return task;
  await task?.close();
  const more = faults.length > 20 ? `\n  … and ${faults.length - 20} more` : '';
  throw new DataError(
    `${path}: is not an image task that can be used, ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}:\n  ${faults.slice(0, 20).join('\n  ')}${more}`,
    { faults },
  );
}
