/** The unlabelled training set: what `--data` names, as a list of files. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import { z } from 'zod';
import { DataError } from '@unlabel/core';

export interface Item {
  readonly path: string;
  /** Stable name within the set, for logs and hashes. */
  readonly name: string;
  /** Ids of tasks that use this recording, when the index knows. */
  readonly tasks?: readonly string[];
}

/** Ids of tasks whose clips are among the items. */
export const sawUnlabelled = (items: readonly Item[]): string[] =>
  [...new Set(items.flatMap((item) => item.tasks ?? []))].sort();

const audioExtensions = new Set(['.wav', '.flac', '.mp3', '.ogg', '.oga', '.aif', '.aiff', '.w64', '.rf64']);

/**
 * Items of one or more sources, in a fixed order: a folder (every audio file below it), a JSON-lines index (`{"file": …}` a
 * line, relative to the index), or single files.
 */
export async function listItems(sources: readonly string[]): Promise<Item[]> {
  const items: Item[] = [];
  for (const source of sources) {
    const path = resolve(source);
    if (!existsSync(path)) throw new DataError(`--data ${source}: no such file or folder.`);
    if (statSync(path).isDirectory()) items.push(...(await filesBelow(path)));
    else if (path.endsWith('.jsonl')) items.push(...readIndex(path));
    else items.push({ path, name: source });
  }
  if (items.length === 0) {
    throw new DataError(
      `--data ${sources.join(' ')}: found no audio (${[...audioExtensions].join(', ')}). ` +
        'Name a folder with audio files, or build the embedded set with: npx unlabel data build quickstart',
    );
  }
  return items;
}

async function filesBelow(folder: string): Promise<Item[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && audioExtensions.has(extname(entry.name).toLowerCase()))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => ({ path, name: path.slice(folder.length + 1) }));
}

/** Fields of a line of an index that are read; others (licence, source) are for people. */
const lineSchema = z.looseObject({
  file: z.string().min(1),
  saw_unlabelled: z.record(z.string(), z.unknown()).optional(),
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
      const { file, saw_unlabelled: tasks } = parsed.data;
      return [{ path: resolve(base, file), name: file, ...(tasks && { tasks: Object.keys(tasks) }) }];
    });
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
