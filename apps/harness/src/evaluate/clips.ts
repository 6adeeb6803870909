/** A task's clips by content, and where a model's embeddings of them lie. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, type CropPolicy, type Fold } from '@unlabel/core';
import { readJson, sha256, sha256File, writeJsonAtomic } from '@unlabel/formats';
import { nearestRate, readImageFile, type OpenedTask } from '@unlabel/tasks';
import { z } from 'zod';
import type { ModelDescription } from '../models/describe.ts';
import { planShards, shardSize, storeKey, type ClipRef, type EmbeddingKind, type Shard } from './store.ts';

/** One split's evaluated clips. */
export interface SplitPlan {
  readonly split: string;
  /** In the order of the label file; may go beyond `wanted`, to the end of a shard. */
  readonly clips: readonly ClipRef[];
  readonly wanted: number;
  /** With the number of clips of each that are wanted. */
  readonly shards: readonly (Shard & { readonly wanted: number })[];
}

export interface TaskPlan {
  readonly task: OpenedTask;
  readonly kind: EmbeddingKind;
  readonly splits: readonly SplitPlan[];
}

export interface PlanOptions {
  /** Hz that the model wants; 0 for images. */
  readonly sampleRate: number;
  /** Splits of these are needed. */
  readonly folds: readonly Fold[];
  /** Clips of each split; default all. */
  readonly limit?: number | undefined;
  /** Where file hashes are kept between runs. */
  readonly cache: string;
}

/** Splits that some fold uses, in the order of the task. */
export const splitsOf = (task: OpenedTask, folds: readonly Fold[]): string[] =>
  [...task.splits.keys()].filter((split) =>
    folds.some(({ train, valid, test }) => [...train, ...valid, ...test].includes(split)),
  );

/**
 * Hashes the clips that are needed, and cuts them into shards.
 * @throws DataError when a clip cannot be read, or is in two splits
 */
export async function planTask(task: OpenedTask, options: PlanOptions): Promise<TaskPlan> {
  const rate = nearestRate(task.sampleRates, options.sampleRate) ?? options.sampleRate;
  const hashes = await openHashes(task, rate, options.cache);
  const splits: SplitPlan[] = [];
  for (const split of splitsOf(task, options.folds)) {
    const list = task.splits.get(split)!;
    const wanted = Math.min(options.limit ?? list.length, list.length);
    const size = shardSize(list.length);
    const planned = list.slice(0, Math.ceil(wanted / size) * size);
    const paths = planned.map(({ file }) => task.wavPath(split, file, rate));
    const found = await hashes.of(paths);
    const clips = paths.map((path, i): ClipRef => ({ path, hash: found[i]!, rate }));
    const shards = planShards(clips, list.length).map((shard, i) => ({
      ...shard,
      wanted: Math.min(shard.clips.length, wanted - i * size),
    }));
    splits.push({ split, clips, wanted, shards });
  }
  await hashes.save();
  refuseOverlap(task, splits);
  return { task, kind: task.metadata.embedding_type, splits };
}

/** The same file in two splits: what is tested was trained on. Other names for the same sound are `tasks validate`'s to tell. */
function refuseOverlap(task: OpenedTask, splits: readonly SplitPlan[]): void {
  const seen = new Map<string, string>();
  const faults: string[] = [];
  for (const { split, clips } of splits) {
    clips.forEach(({ hash }, i) => {
      const { file } = task.splits.get(split)![i]!;
      const key = `${hash}/${file}`;
      const other = seen.get(key);
      if (other !== undefined && other !== split) faults.push(`${file} is in ${other} and in ${split}`);
      seen.set(key, split);
    });
  }
  if (faults.length > 0) {
    throw new DataError(
      `${task.dir}: splits overlap, ${faults.length} clips are in two of them, such as ${faults[0]}`,
      {
        faults,
      },
    );
  }
}

/** Files open at once while hashing. */
const hashedAtOnce = 32;
const heldSchema = z.record(z.string(), z.tuple([z.number(), z.number(), z.string()]));

/** Hashes by path, kept with the size and time of change of the file, so that a corpus is read through once. */
async function openHashes(
  task: OpenedTask,
  rate: number,
  cache: string,
): Promise<{ of(paths: readonly string[]): Promise<string[]>; save(): Promise<void> }> {
  const file = join(cache, 'hashes', `${task.id}-${sha256(`${task.dir}@${rate}`).slice(0, 16)}.json`);
  const held = new Map(Object.entries(heldSchema.catch({}).parse(await readJson(file).catch(() => ({})))));
  let isChanged = false;
  const hashOf = async (path: string): Promise<string> => {
    const archive = /^(.*\.zip)#/i.exec(path)?.[1];
    const { size, mtimeMs } = await stat(archive ?? path).catch(() => ({ size: -1, mtimeMs: 0 }));
    const known = held.get(path);
    if (known && known[0] === size && known[1] === mtimeMs) return known[2];
    const hash = archive === undefined ? await sha256File(path) : sha256(await readImageFile(path));
    held.set(path, [size, mtimeMs, hash]);
    isChanged = true;
    return hash;
  };
  return {
    async of(paths) {
      const found: string[] = [];
      for (let first = 0; first < paths.length; first += hashedAtOnce)
        found.push(...(await Promise.all(paths.slice(first, first + hashedAtOnce).map(hashOf))));
      return found;
    },
    save: async () => (isChanged ? writeJsonAtomic(file, Object.fromEntries(held)) : undefined),
  };
}

/** Enough of a fingerprint for a folder name. */
export const shortFingerprint = (fingerprint: string): string => fingerprint.slice(0, 16);

export const storeOf = (
  cache: string,
  { fingerprint }: Pick<ModelDescription, 'fingerprint'>,
  kind: string,
  precision: string | undefined,
  crop?: CropPolicy,
): string => join(cache, 'embeddings', storeKey(fingerprint, crop ?? kind, precision));
