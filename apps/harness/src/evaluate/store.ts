/**
 * Embeddings on disk, made once and shared by every task and probe. One folder a key (`storeKey`: model, code, precision, scene or
 * timestamps); in it shards, runs of a split's clips in the order of its label file, named by the hash of the clips' hashes, so
 * that equal runs of clips are embedded once whichever tasks hold them.
 *
 * A shard is two files that only grow. `<name>.f32` holds one record a clip: its rows [T, D] as little-endian float32 (T = 1 for
 * scenes, their number for windows), then for timestamp embeddings their times [T] in ms as float64. `<name>.jsonl` commits them: a header, then one line a
 * batch with each clip's place and SHA-256. Data is flushed before its line is written, so what a line names is there; what no
 * line names (a run that was killed) is cut off and made again. Batches begin where the last one was committed and are cut by the
 * clips alone, so a resumed shard has the bytes of an unbroken one.
 *
 * Node maps no files: readers take a clip's bytes by their position straight into the array that the probe uses, which holds them
 * once.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, messageOf } from '@unlabel/core';
import { sha256 } from '@unlabel/formats';
import { z } from 'zod';

/** Counts changes of what an embedding is made of outside the model's own files: resampling, batching, pooling. */
export const embeddingRevision = 'v2';

/** One vector a clip, frames with their times, or one vector a window of a clip. */
export type EmbeddingKind = 'scene' | 'event' | 'windows';

export interface ClipRef {
  readonly path: string;
  /** SHA-256 of the file. */
  readonly hash: string;
  /** Hz that the file's folder states. */
  readonly rate: number;
}

export interface Shard {
  readonly name: string;
  readonly clips: readonly ClipRef[];
}

/**
 * Folder of a model's embeddings: other weights, front-end, code, precision or kind never meet in one.
 * @param kind a kind, of windows with their length: `windows-5s`; of images what becomes of those that are no squares: `center`
 */
export function storeKey(fingerprint: string, kind: string, precision: string | undefined): string {
  const key = sha256(JSON.stringify([fingerprint, kind, precision ?? 'float32', embeddingRevision])).slice(0, 8);
  return `${fingerprint.slice(0, 16)}-${kind}-${key}`;
}

/** Cuts a split's clips into runs of 64; of 512 where there are thousands, for fewer files. */
export const shardSize = (clips: number): number => (clips > 8192 ? 512 : 64);

/** Shards of the first `clips.length` of a split's `total` clips, which end at a multiple of `shardSize(total)` or at `total`. */
export function planShards(clips: readonly ClipRef[], total: number): Shard[] {
  const size = shardSize(total);
  return Array.from({ length: Math.ceil(clips.length / size) }, (_, i) => {
    const part = clips.slice(i * size, (i + 1) * size);
    return { name: sha256(part.map((clip) => clip.hash).join('\n')).slice(0, 24), clips: part };
  });
}

const headerSchema = z.object({
  schema: z.literal(2),
  kind: z.enum(['scene', 'event', 'windows']),
  /** D. */
  width: z.int().positive(),
  environment: z.record(z.string(), z.unknown()),
});
export type ShardHeader = z.output<typeof headerSchema>;

const recordSchema = z.object({
  clip: z.string(),
  /** T. */
  rows: z.int().nonnegative(),
  /** Byte in the data file. */
  at: z.int().nonnegative(),
  sha256: z.string(),
});
const batchSchema = z.object({
  records: z.array(recordSchema),
  seconds: z.number(),
  /** Of the process, largest so far. */
  peakBytes: z.number(),
});
type Batch = z.output<typeof batchSchema>;
export type StoredClip = z.output<typeof recordSchema> & { readonly file: string };

interface ShardState {
  readonly header: ShardHeader;
  readonly batches: readonly Batch[];
  /** Bytes of whole lines, and bytes of data they commit. */
  readonly indexBytes: number;
  readonly dataBytes: number;
}

const bytesOf = (rows: number, { kind, width }: Pick<ShardHeader, 'kind' | 'width'>): number =>
  rows * (4 * width + (kind === 'event' ? 8 : 0));

/** What is committed; undefined when there is nothing. A line cut short is left out, as is all after a line that cannot be. */
async function readState(base: string): Promise<ShardState | undefined> {
  const path = `${base}.jsonl`;
  if (!existsSync(path)) return undefined;
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new DataError(`${path}: the file could not be read (${messageOf(cause)})`, { cause });
  });
  const lines = text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1);
  const header = headerSchema.safeParse(parsed(lines[0]));
  if (!header.success) return undefined;
  const batches: Batch[] = [];
  let dataBytes = 0;
  let indexBytes = Buffer.byteLength(lines[0]!) + 1;
  for (const line of lines.slice(1)) {
    const batch = batchSchema.safeParse(parsed(line));
    if (!batch.success || batch.data.records.some(({ at }, i) => i === 0 && at !== dataBytes)) break;
    batches.push(batch.data);
    for (const { rows } of batch.data.records) dataBytes += bytesOf(rows, header.data);
    indexBytes += Buffer.byteLength(line) + 1;
  }
  return { header: header.data, batches, indexBytes, dataBytes };
}

function parsed(line: string | undefined): unknown {
  try {
    return JSON.parse(line ?? '');
  } catch {
    return undefined;
  }
}

/** How many of the shard's clips are committed, in its order. */
export async function committedClips(store: string, shard: Pick<Shard, 'name'>): Promise<number> {
  const state = await readState(join(store, shard.name));
  return state?.batches.reduce((sum, { records }) => sum + records.length, 0) ?? 0;
}

/** One clip's embedding: rows [T, D], and times [T] in ms of a timestamp embedding. */
export interface ClipEmbedding {
  readonly values: Float32Array;
  readonly timestamps?: Float64Array;
}

export interface ShardWriter {
  /** Clips that are there already. */
  readonly done: number;
  append(embeddings: readonly ClipEmbedding[], about: Pick<Batch, 'seconds' | 'peakBytes'>): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a shard to go on after its last committed batch. One begun on another engine is begun again: its rows would differ by
 * rounding.
 * @throws DataError naming the file that cannot be written
 */
export async function openShard(
  store: string,
  shard: Pick<Shard, 'name' | 'clips'>,
  header: ShardHeader,
): Promise<ShardWriter> {
  const base = join(store, shard.name);
  const failed = (file: string, cause: unknown): DataError =>
    new DataError(`${file}: the embeddings could not be written (${messageOf(cause)}). What is finished is kept.`, {
      cause,
    });
  const held = await readState(base);
  const isSame = held && canGoOn(held.header, header);
  const state = isSame ? held : { header, batches: [], indexBytes: 0, dataBytes: 0 };
  let data: FileHandle | undefined;
  let index: FileHandle;
  try {
    await mkdir(store, { recursive: true });
    data = await openAt(`${base}.f32`, state.dataBytes);
    index = await openAt(`${base}.jsonl`, state.indexBytes);
    if (!isSame) await index.appendFile(`${JSON.stringify(header)}\n`);
  } catch (cause) {
    await data?.close().catch(() => {});
    throw failed(base, cause);
  }
  let at = state.dataBytes;
  let done = state.batches.reduce((sum, { records }) => sum + records.length, 0);
  const handle = data;
  return {
    done,
    async append(embeddings, about) {
      const records: Batch['records'] = [];
      const parts: Uint8Array[] = [];
      for (const { values, timestamps } of embeddings) {
        const own = [values, ...(timestamps ? [timestamps] : [])].map(asBytes);
        const hash = createHash('sha256');
        for (const part of own) hash.update(part);
        const rows = values.length / header.width;
        records.push({ clip: shard.clips[done++]!.hash, rows, at, sha256: hash.digest('hex') });
        at += own.reduce((sum, part) => sum + part.length, 0);
        parts.push(...own);
      }
      try {
        await writeAll(handle, parts);
        await handle.datasync();
      } catch (cause) {
        throw failed(`${base}.f32`, cause);
      }
      try {
        await index.appendFile(`${JSON.stringify({ records, ...about } satisfies Batch)}\n`);
      } catch (cause) {
        throw failed(`${base}.jsonl`, cause);
      }
    },
    async close() {
      await index.datasync().catch(() => {});
      await Promise.all([handle.close(), index.close()]);
    },
  };
}

const canGoOn = (held: ShardHeader, now: ShardHeader): boolean =>
  held.kind === now.kind &&
  held.width === now.width &&
  held.environment['engine'] === now.environment['engine'] &&
  held.environment['version'] === now.environment['version'];

/** A file of `bytes` bytes, to append to. */
async function openAt(path: string, bytes: number): Promise<FileHandle> {
  const handle = await open(path, 'a');
  try {
    const { size } = await handle.stat();
    if (size < bytes) throw new Error(`it has ${size} bytes, its index names ${bytes}. Delete the shard and run again`);
    if (size > bytes) await handle.truncate(bytes);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

const asBytes = (array: Float32Array | Float64Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

async function writeAll(handle: FileHandle, parts: readonly Uint8Array[]): Promise<void> {
  for (const part of parts) {
    let done = 0;
    while (done < part.length) done += (await handle.write(part, done, part.length - done)).bytesWritten;
  }
}

export interface StoreIndex extends Pick<ShardHeader, 'kind' | 'width' | 'environment'> {
  /** By the hash of the clip. */
  readonly clips: ReadonlyMap<string, StoredClip>;
  readonly seconds: number;
  readonly peakBytes: number;
}

/** Where the clips of these shards lie. Reads the indices only. */
export async function readIndex(store: string, shards: readonly Pick<Shard, 'name'>[]): Promise<StoreIndex> {
  const clips = new Map<string, StoredClip>();
  let header: ShardHeader | undefined;
  let [seconds, peakBytes] = [0, 0];
  for (const { name } of shards) {
    const base = join(store, name);
    const state = await readState(base);
    if (!state) throw new DataError(`${base}.jsonl: is missing or damaged. Delete it and run again.`);
    if (header && (state.header.kind !== header.kind || state.header.width !== header.width))
      throw new DataError(
        `${base}.jsonl: holds ${state.header.kind} embeddings of size ${state.header.width}; others here have ${header.width}`,
      );
    header ??= state.header;
    for (const batch of state.batches) {
      seconds += batch.seconds;
      peakBytes = Math.max(peakBytes, batch.peakBytes);
      for (const record of batch.records) clips.set(record.clip, { ...record, file: `${base}.f32` });
    }
  }
  if (!header) throw new DataError(`${store}: no shards were asked for`);
  return { kind: header.kind, width: header.width, environment: header.environment, clips, seconds, peakBytes };
}

/** Reads clips by position, keeping one file open. */
export function createReader(index: StoreIndex): {
  /** Fills `values` [T, D] and, for timestamp embeddings, `timestamps` [T]. */
  read(clip: StoredClip, values: Float32Array, timestamps?: Float64Array): Promise<void>;
  close(): Promise<void>;
} {
  let current: { file: string; handle: FileHandle } | undefined;
  const handleOf = async (file: string): Promise<FileHandle> => {
    if (current?.file === file) return current.handle;
    await current?.handle.close();
    current = undefined;
    const handle = await open(file, 'r').catch((cause: unknown) => {
      throw new DataError(`${file}: the file could not be opened (${messageOf(cause)})`, { cause });
    });
    current = { file, handle };
    return handle;
  };
  return {
    async read(clip, values, timestamps) {
      const handle = await handleOf(clip.file);
      const times = index.kind === 'event' ? (timestamps ?? new Float64Array(clip.rows)) : undefined;
      const hash = createHash('sha256');
      let at = clip.at;
      for (const part of [values, ...(times ? [times] : [])].map(asBytes)) {
        await readInto(handle, part, at, clip.file);
        hash.update(part);
        at += part.length;
      }
      if (hash.digest('hex') !== clip.sha256) {
        throw new DataError(
          `${clip.file}: the bytes at ${clip.at} do not match their hash in the .jsonl beside it. Delete both and run again.`,
        );
      }
    },
    async close() {
      await current?.handle.close();
      current = undefined;
    },
  };
}

async function readInto(handle: FileHandle, into: Uint8Array, at: number, file: string): Promise<void> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await handle.read(into, done, into.length - done, at + done);
    if (bytesRead === 0) throw new DataError(`${file}: ends before the embedding at ${at}. Delete it and run again.`);
    done += bytesRead;
  }
}
