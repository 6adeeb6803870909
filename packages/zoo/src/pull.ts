/** Pulling a checkpoint: licence, download, hash, name, import. */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CheckpointError, ConfigError, DataError, isUnlabelError, messageOf } from '@unlabel/core';
import { downloadFile, sha256File, withFileLock, type DownloadOptions } from '@unlabel/formats';
import { pulledDir } from './find.ts';
import type { IndexedEntry } from './index-file.ts';
import type { IndexFile } from './index-schema.ts';
import { requireLicence } from './licence.ts';
import { verifyCheckpoint } from './manifest.ts';
import { confirmFormAddress, directAddresses } from './share-links.ts';
import {
  blobPath,
  downloadPath,
  filesDir,
  keepBlob,
  lockPath,
  nameBlob,
  readRecord,
  writeRecord,
  type PullRecord,
} from './zoo-cache.ts';

/** Turns an authors' file into a checkpoint folder. @throws CheckpointError when it cannot */
export type Importer = (file: string, out: string, entry: IndexedEntry) => Promise<void>;

export interface PullOptions {
  readonly acceptLicence?: boolean;
  /** Take this file instead of downloading. */
  readonly file?: string | undefined;
  /** Tried before every address, as `<mirror>/<id>/<file>`. Default `UNLABEL_ZOO_MIRROR`. */
  readonly mirror?: string | undefined;
  readonly importer?: Importer | undefined;
  readonly onProgress?: ((file: string, loaded: number, total: number | undefined) => void) | undefined;
  /** Another process pulls the same; called once. */
  readonly onWait?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Patience with hosts; for tests. */
  readonly patience?: Pick<DownloadOptions, 'tries' | 'waitMs' | 'stallMs'>;
}

export interface Pulled {
  readonly record: PullRecord;
  /** False when it was there. */
  readonly isNew: boolean;
  /** Checkpoint folder, or that of the authors' file where none could be made. */
  readonly dir: string;
}

/**
 * @throws ConfigError for licences to accept and for offline, DataError when no address gives the file, CheckpointError when a pulled
 * checkpoint is not whole
 */
export async function pull(entry: IndexedEntry, options: PullOptions = {}): Promise<Pulled> {
  const { id } = entry;
  const held = await heldRecord(entry, options);
  if (held) return held;
  await requireLicence(entry, options.acceptLicence ?? false);
  await mkdir(dirname(lockPath(id)), { recursive: true });
  const { signal, onWait } = options;
  try {
    return await withFileLock(
      lockPath(id),
      async () => (await heldRecord(entry, options)) ?? pullFiles(entry, options),
      {
        signal,
        onWait,
      },
    );
  } catch (error) {
    if (signal?.aborted && !(error instanceof DataError))
      throw new DataError(`${id}: stopped; the same command goes on`, { cause: error });
    throw error;
  }
}

/** What was pulled before; imported now when it could not be then. */
async function heldRecord(entry: IndexedEntry, { importer }: PullOptions): Promise<Pulled | undefined> {
  const record = await readRecord(entry.id);
  if (!record || !(await areThere(record))) return undefined;
  const asIndexed = entry.files.every(({ sha256 }, i) => sha256 === null || record.files[i]?.sha256 === sha256);
  if (!asIndexed) return undefined;
  if (entry.form === 'upstream' && record.notImported !== null && importer) {
    const notImported = await tryImport(entry, importer);
    if (notImported === null) await writeRecord({ ...record, notImported });
    return { record: { ...record, notImported }, isNew: false, dir: dirOf(entry, notImported) };
  }
  return { record, isNew: false, dir: dirOf(entry, record.notImported) };
}

const dirOf = ({ id }: IndexedEntry, notImported: string | null): string =>
  notImported === null ? pulledDir(id) : filesDir(id);

async function areThere({ id, files, notImported }: PullRecord): Promise<boolean> {
  for (const { name, bytes } of files) {
    const found = await stat(join(filesDir(id), name)).catch(() => undefined);
    if (found?.size !== bytes) return false;
  }
  return notImported !== null || existsSync(pulledDir(id));
}

async function pullFiles(entry: IndexedEntry, options: PullOptions): Promise<Pulled> {
  const { id, form } = entry;
  if (options.file !== undefined && entry.files.length !== 1)
    throw new ConfigError(`${id}: has ${entry.files.length} files; --file gives one`);
  const files: PullRecord['files'] = [];
  for (const file of entry.files) {
    const { sha256, bytes, address } = await (options.file === undefined
      ? loadFile(entry, file, options)
      : takeFile(entry, file, options.file));
    await nameBlob(blobPath(sha256), join(filesDir(id), file.name));
    files.push({ name: file.name, bytes, sha256, isVerified: file.sha256 !== null, address });
  }
  if (form === 'checkpoint') await assemble(entry, files);
  let record: PullRecord = {
    schema: 1,
    id,
    files,
    pulled: new Date().toISOString(),
    notImported: form === 'checkpoint' ? null : 'it is kept as its authors publish it',
  };
  await writeRecord(record);
  if (form === 'upstream' && options.importer) {
    record = { ...record, notImported: await tryImport(entry, options.importer) };
    await writeRecord(record);
  }
  return { record, isNew: true, dir: dirOf(entry, record.notImported) };
}

interface Loaded {
  readonly sha256: string;
  readonly bytes: number;
  readonly address: string;
}

/** Every address of a file, direct ones, mirror first. */
export function addressesOf(
  entry: IndexedEntry,
  file: IndexFile,
  mirror = process.env['UNLABEL_ZOO_MIRROR'],
): string[] {
  const direct = file.addresses.flatMap((address) =>
    /^[a-z]+:\/\//i.test(address) ? directAddresses(address) : [new URL(address, entry.index).href],
  );
  const first = mirror ? [`${mirror.replace(/\/+$/, '')}/${entry.id}/${encodeURIComponent(file.name)}`] : [];
  return [...new Set([...first, ...direct])];
}

async function loadFile(entry: IndexedEntry, file: IndexFile, options: PullOptions): Promise<Loaded> {
  const { id } = entry;
  const addresses = addressesOf(entry, file, options.mirror);
  const local = addresses.find((address) => address.startsWith('file:'));
  if (local !== undefined) return { ...(await takeFile(entry, file, fileURLToPath(local))), address: local };
  if (addresses.length === 0)
    throw new ConfigError(
      `${id}: has no address a program can load${entry.page ? `; get ${file.name} at ${entry.page}` : ''}, then: npx unlabel zoo pull ${id} --file ${file.name}`,
    );
  const target = file.sha256 === null ? downloadPath(id, file.name) : blobPath(file.sha256);
  try {
    const { sha256, bytes, url } = await downloadFile({
      urls: addresses,
      file: target,
      bytes: file.bytes ?? undefined,
      sha256: file.sha256 ?? undefined,
      signal: options.signal,
      onWait: options.onWait,
      follow: confirmFormAddress,
      onProgress: (loaded, total) => options.onProgress?.(file.name, loaded, total ?? file.bytes ?? undefined),
      ...options.patience,
    });
    if (file.sha256Prefix !== undefined && !sha256.startsWith(file.sha256Prefix)) {
      await rm(target, { force: true });
      throw new DataError(
        `${file.name}: the download has the SHA-256 ${sha256}, expected one that begins with ${file.sha256Prefix}. It is deleted.`,
      );
    }
    await keepBlob(target, sha256);
    return { sha256, bytes, address: url ?? addresses[0]! };
  } catch (error) {
    if (!(error instanceof DataError) || options.signal?.aborted) throw error;
    const hint = entry.page
      ? `A browser may still get ${file.name} at ${entry.page}; then: npx unlabel zoo pull ${id} --file ${file.name}`
      : 'The same command goes on.';
    throw new DataError(`${id}: ${error.message}. ${hint}`, { faults: error.faults, cause: error });
  }
}

/** A file that a person downloaded: copied, after its hash fits. */
async function takeFile(entry: IndexedEntry, file: IndexFile, path: string): Promise<Loaded> {
  const sha256 = await sha256File(path);
  const { size } = await stat(path);
  const expected = file.sha256 ?? file.sha256Prefix;
  if (expected !== undefined && expected !== null && !sha256.startsWith(expected))
    throw new DataError(`${path}: has the SHA-256 ${sha256}, expected ${expected} of ${entry.id}; it is another file`);
  if (file.bytes !== null && file.bytes !== size)
    throw new DataError(`${path}: has ${size} bytes, expected ${file.bytes} of ${entry.id}; it is another file`);
  const copy = `${downloadPath(entry.id, file.name)}.copy`;
  await mkdir(dirname(copy), { recursive: true });
  await copyFile(path, copy);
  await keepBlob(copy, sha256);
  return { sha256, bytes: size, address: path };
}

/** A checkpoint folder of its blobs, checked against its manifest. */
async function assemble({ id }: IndexedEntry, files: PullRecord['files']): Promise<void> {
  const staging = `${pulledDir(id)}.tmp`;
  await rm(staging, { recursive: true, force: true });
  for (const { name, sha256 } of files) await nameBlob(blobPath(sha256), join(staging, name));
  const faults = await verifyCheckpoint(staging);
  if (faults.length > 0) throw new CheckpointError(`${id}: what was pulled is not what its manifest says`, { faults });
  await rm(pulledDir(id), { recursive: true, force: true });
  await rename(staging, pulledDir(id));
}

/** @returns why it could not, null when it did */
async function tryImport(entry: IndexedEntry, importer: Importer): Promise<string | null> {
  const out = pulledDir(entry.id);
  const staging = `${out}.import`;
  await rm(staging, { recursive: true, force: true });
  await mkdir(dirname(out), { recursive: true });
  try {
    await importer(join(filesDir(entry.id), entry.files[0]!.name), staging, entry);
    await rm(out, { recursive: true, force: true });
    await rename(staging, out);
    return null;
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    if (!isUnlabelError(error)) throw error; // a fault of ours, not of the file
    return error.message;
  }
}

/** Every way in which what was pulled differs from its record. Reads every byte. */
export async function verifyPulled(record: PullRecord): Promise<string[]> {
  const faults: string[] = [];
  for (const { name, bytes, sha256 } of record.files) {
    const path = join(filesDir(record.id), name);
    const found = await stat(path).catch(() => undefined);
    if (!found) faults.push(`${name}: is missing`);
    else if (found.size !== bytes) faults.push(`${name}: has ${found.size} bytes, expected ${bytes}`);
    else if ((await sha256File(path)) !== sha256) faults.push(`${name}: its content is not what was pulled`);
  }
  if (record.notImported === null) {
    faults.push(...(await verifyCheckpoint(pulledDir(record.id)).catch((error: unknown) => [messageOf(error)])));
  }
  return faults;
}
