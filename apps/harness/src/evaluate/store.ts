/**
 * Embeddings on disk, made once a model and clip and shared by every task and probe: shards of up to 64 clips, each a `.npy`
 * and a `.json` that commits it. A shard's name is the hash of its clips' hashes, so equal clips are never embedded twice and a
 * killed run keeps every finished shard.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '@unlabel/core';
import { decodeNpy, encodeNpy, readJson, sha256, writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';

/** Clips a shard; also how much a kill can lose. */
export const shardClips = 64;

export interface ClipRef {
  readonly path: string;
  /** SHA-256 of the file. */
  readonly hash: string;
}

export interface Shard {
  readonly name: string;
  readonly clips: readonly ClipRef[];
}

export interface ShardIndex {
  readonly clips: readonly string[];
  readonly width: number;
  readonly sha256: string;
  readonly seconds: number;
  readonly environment: Readonly<Record<string, unknown>>;
}

/** Distinct clips in the order of their hashes, cut into shards: equal sets of clips give equal shards. */
export function planShards(clips: readonly ClipRef[]): Shard[] {
  const distinct = [...new Map(clips.map((clip) => [clip.hash, clip])).values()].sort((a, b) =>
    a.hash < b.hash ? -1 : 1,
  );
  return Array.from({ length: Math.ceil(distinct.length / shardClips) }, (_, i) => {
    const part = distinct.slice(i * shardClips, (i + 1) * shardClips);
    return { name: sha256(Buffer.from(part.map((clip) => clip.hash).join('\n'))).slice(0, 24), clips: part };
  });
}

export const hasShard = (dir: string, shard: Shard): boolean => existsSync(join(dir, `${shard.name}.json`));

export async function writeShard(
  dir: string,
  shard: Pick<Shard, 'name' | 'clips'>,
  values: Float32Array,
  about: Pick<ShardIndex, 'seconds' | 'environment'>,
): Promise<void> {
  const width = values.length / shard.clips.length;
  const bytes = encodeNpy({ data: values, shape: [shard.clips.length, width] });
  await writeFileAtomic(join(dir, `${shard.name}.npy`), bytes);
  const index: ShardIndex = { clips: shard.clips.map((clip) => clip.hash), width, sha256: sha256(bytes), ...about };
  await writeJsonAtomic(join(dir, `${shard.name}.json`), index);
}

export interface LoadedEmbeddings {
  readonly width: number;
  /** The vector of a clip by its hash. */
  row(hash: string): Float32Array;
  readonly seconds: number;
  readonly environment: Readonly<Record<string, unknown>>;
}

/** Read shards back; a damaged one is a DataError that says what to delete. */
export async function readShards(dir: string, shards: readonly Shard[]): Promise<LoadedEmbeddings> {
  const rows = new Map<string, Float32Array>();
  let width = 0;
  let seconds = 0;
  let environment: Readonly<Record<string, unknown>> = {};
  for (const shard of shards) {
    const base = join(dir, shard.name);
    const index = (await readJson(`${base}.json`)) as ShardIndex;
    const bytes = await readFile(`${base}.npy`);
    if (sha256(bytes) !== index.sha256) {
      throw new DataError(
        `${base}.npy: its bytes do not match the hash in ${shard.name}.json. Delete both and run again.`,
      );
    }
    const { data } = decodeNpy(bytes);
    index.clips.forEach((hash, i) => {
      rows.set(hash, Float32Array.from(data.subarray(i * index.width, (i + 1) * index.width)));
    });
    width = index.width;
    seconds += index.seconds;
    environment = index.environment;
  }
  return {
    width,
    seconds,
    environment,
    row(hash) {
      const row = rows.get(hash);
      if (!row)
        throw new DataError(
          `${dir}: no embedding of clip ${hash.slice(0, 12)}…; the clip changed while it was read. Run again.`,
        );
      return row;
    },
  };
}
