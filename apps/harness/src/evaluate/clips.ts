/** A task's clips by content, and where a model's embeddings of them lie. */
import { join } from 'node:path';
import type { Task } from '@unlabel/core';
import { sha256File } from '@unlabel/formats';
import type { ModelDescription } from '../models/describe.ts';
import { planShards, type ClipRef, type Shard } from './store.ts';

export interface TaskClips {
  readonly task: Task;
  /** `split/file` → clip. */
  readonly clips: ReadonlyMap<string, ClipRef>;
  readonly shards: readonly Shard[];
}

/** Files open at once while hashing. */
const hashedAtOnce = 32;

/** Hash every clip of a task at the rate a model wants. */
export async function hashClips(task: Task, sampleRate: number): Promise<TaskClips> {
  const clips = new Map<string, ClipRef>();
  for (const [split, list] of task.splits) {
    for (let first = 0; first < list.length; first += hashedAtOnce) {
      const part = list.slice(first, first + hashedAtOnce);
      const paths = part.map(({ file }) => task.wavPath(split, file, sampleRate));
      const hashes = await Promise.all(paths.map((path) => sha256File(path)));
      part.forEach(({ file }, i) => clips.set(`${split}/${file}`, { path: paths[i]!, hash: hashes[i]! }));
    }
  }
  return { task, clips, shards: planShards([...clips.values()]) };
}

/** Enough of a fingerprint for a folder name. */
export const shortFingerprint = (fingerprint: string): string => fingerprint.slice(0, 16);

export const storeOf = (out: string, model: Pick<ModelDescription, 'fingerprint'>): string =>
  join(out, 'embeddings', shortFingerprint(model.fingerprint));
