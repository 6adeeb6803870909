/**
 * Task archives (`hear-…-48000.tar.gz`) into a folder of tasks. Nothing is written outside of it, no link is made or followed, and a
 * task appears when all of it is there.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DataError, messageOf } from '@unlabel/core';
import { gunzipStream, readTar, safeTarPath, writeJsonAtomic, type TarEntry, type TarLimits } from '@unlabel/formats';
import { metadataFile } from './metadata.ts';

export interface ImportOptions {
  /** Archive on disk: .tar, .tar.gz. */
  readonly archive: string;
  /** Folder of tasks; created when missing. */
  readonly out: string;
  /** Expected of the archive, 64 hexadecimal digits. */
  readonly sha256?: string | undefined;
  readonly limits?: TarLimits;
  readonly onProgress?: (bytesRead: number, bytesTotal: number, entry: string) => void;
}

export interface Imported {
  /** Their directories. */
  readonly tasks: readonly string[];
  /** True when an earlier import of the same archive had done all. */
  readonly wasThere: boolean;
  /** Of the archive. */
  readonly sha256: string;
}

interface ImportRecord {
  readonly archive: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly tasks: readonly string[];
}

/**
 * Extracts into a folder beside the tasks and moves what is whole. Other sample rates of a task that is there are added to it.
 * @throws DataError for damage, hostile entries, another hash than expected, or a task that is there and differs
 */
export async function importArchive(options: ImportOptions): Promise<Imported> {
  const { archive, out } = options;
  const entry = await stat(archive).catch(() => undefined);
  if (!entry?.isFile()) throw new DataError(`${archive}: is not a file. Expected a .tar.gz of HEAR tasks.`);
  const held = await importedBefore(out, basename(archive), options.sha256);
  if (held && held.bytes === entry.size) return held.imported;
  const expected = options.sha256?.toLowerCase();
  const staging = join(out, `.import-${randomBytes(6).toString('hex')}.tmp`);
  try {
    await mkdir(staging, { recursive: true });
    const sha256 = await extract(options, entry.size, staging);
    if (expected !== undefined && sha256 !== expected)
      throw new DataError(
        `${archive}: has the SHA-256 ${sha256}, expected ${expected}. Download it again; nothing was taken.`,
      );
    const found = await tasksIn(staging, 4);
    if (found.length === 0) throw new DataError(`${archive}: holds no task (a folder with ${metadataFile})`);
    for (const dir of found) await place(dir, join(out, basename(dir)));
    const names = found.map((dir) => basename(dir));
    await writeJsonAtomic(recordFile(out, basename(archive)), {
      archive: basename(archive),
      bytes: entry.size,
      sha256,
      tasks: names,
    });
    return { tasks: names.map((name) => join(out, name)), wasThere: false, sha256 };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

const recordFile = (out: string, name: string): string => join(out, '.imports', `${name}.json`);

/** What an archive of this name gave, when all of it is still there (and the hash is the one asked for). */
export async function importedBefore(
  out: string,
  name: string,
  sha256?: string,
): Promise<{ readonly bytes: number; readonly imported: Imported } | undefined> {
  let record: ImportRecord;
  try {
    record = JSON.parse(await readFile(recordFile(out, name), 'utf8')) as ImportRecord; // ours, written whole
  } catch {
    return undefined;
  }
  const tasks = record.tasks.map((task) => join(out, task));
  const isWhole = tasks.every((dir) => existsSync(join(dir, metadataFile)));
  if (!isWhole || (sha256 !== undefined && sha256.toLowerCase() !== record.sha256)) return undefined;
  return { bytes: record.bytes, imported: { tasks, wasThere: true, sha256: record.sha256 } };
}

async function extract({ archive, limits, onProgress }: ImportOptions, size: number, into: string): Promise<string> {
  const hash = createHash('sha256');
  let read = 0;
  const stream = createReadStream(archive, { highWaterMark: 1 << 18 });
  stream.on('data', (chunk) => {
    hash.update(chunk);
    read += chunk.length;
  });
  stream.pause();
  const chunks = (await isGzip(archive)) ? gunzipStream(stream, archive) : (stream as AsyncIterable<Uint8Array>);
  for await (const entry of readTar(keepOpen(chunks), archive, limits)) {
    onProgress?.(read, size, entry.name);
    await writeEntry(entry, archive, into);
  }
  for await (const _ of chunks); // to the end: the hash is of the whole file
  return hash.digest('hex');
}

/** The same chunks, whose end the reader does not decide. */
async function* keepOpen(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
}

async function isGzip(path: string): Promise<boolean> {
  const handle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await handle.close();
  }
}

async function writeEntry({ name, type, content }: TarEntry, archive: string, into: string): Promise<void> {
  const path = safeTarPath(name);
  if ('fault' in path)
    throw new DataError(`${archive}: entry ${JSON.stringify(name.slice(0, 200))}: ${path.fault}; nothing was taken`);
  if (path.parts.length === 0) return;
  const target = join(into, ...path.parts);
  try {
    await mkdir(type === 'folder' ? target : dirname(target), { recursive: true });
    if (type === 'folder') return;
    const handle = await open(target, 'wx', 0o644); // never over another entry
    try {
      for await (const piece of content) await handle.writeFile(piece);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    const isRepeated = code === 'EEXIST' || code === 'ENOTDIR' || code === 'EISDIR';
    throw new DataError(
      isRepeated
        ? `${archive}: entry ${JSON.stringify(name)} is there twice; nothing was taken`
        : `${target}: could not be written (${messageOf(cause)}); nothing was taken`,
      { cause },
    );
  }
}

/** Folders with metadata, at most `depth` down. */
async function tasksIn(dir: string, depth: number): Promise<string[]> {
  if (existsSync(join(dir, metadataFile))) return [dir];
  if (depth === 0) return [];
  const entries = await readdir(dir, { withFileTypes: true });
  const found = await Promise.all(
    entries.filter((entry) => entry.isDirectory()).map(({ name }) => tasksIn(join(dir, name), depth - 1)),
  );
  return found.flat().sort();
}

/** Moves a task, or the rates that the one there lacks. */
async function place(from: string, to: string): Promise<void> {
  if (!existsSync(to)) {
    await rename(from, to);
    return;
  }
  for (const { name } of await readdir(from, { withFileTypes: true })) {
    const [mine, theirs] = [join(from, name), join(to, name)];
    if (!existsSync(theirs)) {
      await rename(mine, theirs);
    } else if (!(await stat(mine)).isDirectory() && !(await readFile(mine)).equals(await readFile(theirs))) {
      throw new DataError(`${theirs}: is there and differs from the archive's. Import into another folder.`);
    }
  }
}
