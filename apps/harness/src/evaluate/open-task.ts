/** Tasks as evaluation takes them, of sounds in HEAR's layout or of images in theirs. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isUnlabelError } from '@unlabel/core';
import { findImageTasks, findTasks, imageEvaluation, openImageTask, openTask, type OpenedTask } from '@unlabel/tasks';

/** @throws DataError with everything that is wrong with it */
export async function openAnyTask(path: string): Promise<OpenedTask> {
  if (existsSync(join(path, 'task_metadata.json'))) return openTask(path);
  const task = await openImageTask(path);
  try {
    return imageEvaluation(task);
  } finally {
    await task.close();
  }
}

/**
 * Task directories at a path: those of images and those of sounds.
 * @throws DataError when there are neither
 */
export async function findAnyTasks(path: string): Promise<string[]> {
  const ofImages = await findImageTasks(path);
  try {
    return [...(await findTasks(path)), ...ofImages];
  } catch (error) {
    if (ofImages.length > 0 && isUnlabelError(error)) return ofImages;
    throw error;
  }
}
