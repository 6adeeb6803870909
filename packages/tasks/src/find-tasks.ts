/** Finds task directories. */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '@unlabel/core';
import { metadataFile } from './metadata.ts';

/**
 * Task directories in order of name: `dir` itself when it is one, else those in it, else those in its `tasks/` (the output
 * of `unlabel data build`, or a HEAR archive).
 * @throws DataError when there is none
 */
export async function findTasks(dir: string): Promise<string[]> {
  const entry = await stat(dir).catch(() => undefined);
  if (!entry?.isDirectory())
    throw new DataError(`${dir}: is not a folder. Expected a task directory or a folder of them.`);
  if (existsSync(join(dir, metadataFile))) return [dir];
  for (const folder of [dir, join(dir, 'tasks')]) {
    const names = await readdir(folder).catch(() => [] as string[]);
    const tasks = names
      .filter((name) => !name.startsWith('.') && existsSync(join(folder, name, metadataFile)))
      .sort()
      .map((name) => join(folder, name));
    if (tasks.length > 0) return tasks;
  }
  throw new DataError(
    `${dir}: no task directory found (a folder with ${metadataFile}), neither there nor in tasks/. Build the embedded ones with: unlabel data build quickstart`,
  );
}
