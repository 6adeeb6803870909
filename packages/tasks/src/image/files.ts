/** Where the images of a task lie: in a folder or in a ZIP archive. */
import { existsSync } from 'node:fs';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { DataError, messageOf } from '@unlabel/core';
import { openZip } from '@unlabel/formats';
import type { Findings } from '../read-text.ts';

export interface ImageFiles {
  /** For messages. */
  readonly name: string;
  has(file: string): boolean;
  /** For `readImageFile`, whether it is there or not. */
  pathOf(file: string): string;
  /** @throws DataError naming the file when it is missing or cannot be read */
  read(file: string): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Messages of one kind after this many are counted instead of listed. */
const maxListed = 100;

/** Files of a folder, sub-folders included by path. */
export function filesInFolder(dir: string): ImageFiles {
  const root = resolve(dir);
  const pathOf = (file: string): string | undefined => {
    const path = resolve(root, file);
    return path.startsWith(`${root}${sep}`) ? path : undefined;
  };
  const inside = (file: string): string => {
    const path = pathOf(file);
    if (path === undefined) throw new DataError(`${file}: names a file outside of ${dir}`);
    return path;
  };
  return {
    name: dir,
    has: (file) => {
      const path = pathOf(file);
      return path !== undefined && existsSync(path);
    },
    pathOf: (file) => inside(file),
    async read(file) {
      const path = inside(file);
      try {
        return await readFile(path);
      } catch (cause) {
        throw new DataError(`${path}: could not be read (${messageOf(cause)})`, { cause });
      }
    },
    close: async () => {},
  };
}

/** Files of an archive, by their path or, where that is unambiguous, by the path below the one folder that holds them all. */
export async function filesInZip(path: string): Promise<ImageFiles> {
  const zip = await openZip(path);
  const names = [...zip.entries.keys()];
  const top = names[0]?.split('/')[0] ?? '';
  const prefix = names.every((name) => name.startsWith(`${top}/`)) ? `${top}/` : '';
  const entryOf = (file: string): string | undefined =>
    [file, `${prefix}${file}`].find((name) => zip.entries.has(name));
  return {
    name: path,
    has: (file) => entryOf(file) !== undefined,
    pathOf: (file) => `${resolve(path)}${entryMark}${entryOf(file) ?? file}`,
    async read(file) {
      const entry = entryOf(file);
      if (entry === undefined) throw new DataError(`${path}: holds no ${file}`);
      return zip.read(entry);
    },
    close: () => zip.close(),
  };
}

/** Between an archive and a name in it. */
const entryMark = '#';
const opened = new Map<string, ReturnType<typeof openZip>>();

/**
 * Bytes at a path from `ImageTask.imagePath`. Archives stay open.
 * @throws DataError naming the file when it is missing or cannot be read
 */
export async function readImageFile(path: string): Promise<Uint8Array> {
  const at = path.toLowerCase().indexOf(`.zip${entryMark}`);
  if (at < 0) {
    return readFile(path).catch((cause: unknown) => {
      throw new DataError(`${path}: could not be read (${messageOf(cause)})`, { cause });
    });
  }
  const archive = path.slice(0, at + 4);
  if (!opened.has(archive)) opened.set(archive, openZip(archive));
  return (await opened.get(archive)!).read(path.slice(at + 5));
}

/** A folder of images, or an archive of them. */
export async function openImageFiles(path: string): Promise<ImageFiles> {
  const entry = await stat(path).catch(() => undefined);
  if (entry?.isDirectory()) return filesInFolder(path);
  if (entry?.isFile() && path.toLowerCase().endsWith('.zip')) return filesInZip(path);
  throw new DataError(`${path}: expected a folder of images or a .zip of them`);
}

/** Folders in a folder by name, hidden ones left out. */
export async function foldersIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => !entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name);
  const isFolder = await Promise.all(
    names.map((name) =>
      stat(join(dir, name)).then(
        (found) => found.isDirectory(),
        () => false,
      ),
    ),
  );
  return names.filter((_, i) => isFolder[i]).sort();
}

/** A fault for each file that is listed but missing. */
export function reportMissing(
  files: readonly string[],
  listedIn: string,
  held: ImageFiles,
  { faults }: Findings,
): void {
  const missing = files.filter((file) => !held.has(file));
  for (const file of missing.slice(0, maxListed))
    faults.push(`${file}: is missing in ${held.name}, ${listedIn} lists it`);
  if (missing.length > maxListed) faults.push(`${listedIn}: ${missing.length - maxListed} more images are missing`);
}
