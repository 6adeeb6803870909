/**
 * The zoo's cache: blobs by hash, under `files/<id>/` their names, under `checkpoints/<id>/` what opens here, `records/<id>.json` says
 * what was pulled from where.
 */
import { existsSync } from 'node:fs';
import { copyFile, link, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseConfig } from '@unlabel/core';
import { readJson, writeJsonAtomic } from '@unlabel/formats';
import { z } from 'zod';
import { isCheckpointId, pulledDir, zooCacheDir } from './find.ts';

export const recordSchema = z.strictObject({
  schema: z.literal(1),
  id: z.string(),
  files: z.array(
    z.strictObject({
      name: z.string(),
      bytes: z.int().nonnegative(),
      sha256: z.string(),
      /** The hash was known before; else it is what came first. */
      isVerified: z.boolean(),
      address: z.string(),
    }),
  ),
  pulled: z.string(),
  /** Why it was not turned into a checkpoint that opens here, or null when it was. */
  notImported: z.string().nullable(),
});
export type PullRecord = z.output<typeof recordSchema>;

export const blobPath = (sha256: string): string => join(zooCacheDir(), 'blobs', sha256);
export const filesDir = (id: string): string => join(zooCacheDir(), 'files', id);
export const downloadPath = (id: string, name: string): string => join(zooCacheDir(), 'downloads', id, name);
export const lockPath = (id: string): string => join(zooCacheDir(), 'locks', id);
const recordPath = (id: string): string => join(zooCacheDir(), 'records', `${id}.json`);

export async function readRecord(id: string): Promise<PullRecord | undefined> {
  const path = recordPath(id);
  return existsSync(path) ? parseConfig(recordSchema, await readJson(path), path) : undefined;
}

export const writeRecord = (record: PullRecord): Promise<void> => writeJsonAtomic(recordPath(record.id), record);

/** Everything pulled, by id. */
export async function pulledRecords(): Promise<PullRecord[]> {
  const names = await readdir(join(zooCacheDir(), 'records')).catch(() => []);
  const ids = names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5));
  const records: PullRecord[] = [];
  for (const id of ids.filter(isCheckpointId).sort()) {
    const record = await readRecord(id);
    if (record) records.push(record);
  }
  return records;
}

/** Puts `from` under its hash; another that is there is the same. */
export async function keepBlob(from: string, sha256: string): Promise<string> {
  const blob = blobPath(sha256);
  if (from === blob) return blob;
  await mkdir(dirname(blob), { recursive: true });
  if (existsSync(blob)) await rm(from, { force: true });
  else await rename(from, blob);
  return blob;
}

/** Names a blob: a hard link, or a copy where the file system has none. */
export async function nameBlob(blob: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.tmp`;
  await rm(beside, { force: true });
  await link(blob, beside).catch(() => copyFile(blob, beside));
  await rename(beside, path);
}

/** Removes a checkpoint with its files, what a stopped pull left, and the blobs that no other needs. @returns bytes freed */
export async function removePulled(id: string): Promise<number> {
  const record = await readRecord(id);
  const used = new Set(
    (await pulledRecords())
      .filter((other) => other.id !== id)
      .flatMap(({ files }) => files.map(({ sha256 }) => sha256)),
  );
  const before = await sizeBelow(zooCacheDir());
  for (const path of [filesDir(id), pulledDir(id), dirname(downloadPath(id, 'x')), recordPath(id)])
    await rm(path, { recursive: true, force: true });
  for (const { sha256 } of record?.files ?? []) if (!used.has(sha256)) await removeBlob(sha256);
  return before - (await sizeBelow(zooCacheDir()));
}

async function removeBlob(sha256: string): Promise<void> {
  for (const suffix of ['', '.incomplete', '.incomplete.json']) await rm(blobPath(sha256) + suffix, { force: true });
}

/** Bytes on disk below a folder, a file with several names once. */
export async function sizeBelow(folder: string, seen = new Set<string>()): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) sum += await sizeBelow(path, seen);
    else if (entry.isFile()) {
      const { size, dev, ino, nlink } = await stat(path);
      const key = `${dev} ${ino}`;
      if (nlink > 1 && seen.has(key)) continue;
      seen.add(key);
      sum += size;
    }
  }
  return sum;
}
