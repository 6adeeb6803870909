/**
 * The front-end's output of every item, or the bytes of every image, computed once into a few files, so that a step reads 24 kB where
 * it would decode, resample and transform. Lives in the run directory; chunks are written atomically, so a killed run keeps them.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { canonicalJson, DataError, dataErrorOf, type InputSpec } from '@unlabel/core';
import { readJson, sha256 } from '@unlabel/formats';
import type { Progress } from '../display/display.ts';
import { fillChunk, type ChunkIndex, type ChunkJob } from './cache-chunk.ts';
import type { Item } from './items.ts';
import { leave } from './leave.ts';
import type { CacheEntry, Normalization } from './source.ts';

/** Items a cache file: small enough to lose little, large enough to have few files. */
const chunkItems = 128;

export interface SpectrogramCache {
  readonly entries: readonly CacheEntry[];
  readonly statistics: Normalization;
}

/** `threads` workers fill it; 0 fills it in this thread, which for a few items is less work than to start a worker. */
export async function buildCache(
  dir: string,
  items: readonly Item[],
  input: InputSpec,
  threads: number,
  progress: Progress,
): Promise<SpectrogramCache> {
  await mkdir(dir, { recursive: true });
  const chunks = Array.from({ length: Math.ceil(items.length / chunkItems) }, (_, i): ChunkJob => {
    const part = items.slice(i * chunkItems, (i + 1) * chunkItems);
    const paths = part.map(({ path, semitones }) => (semitones === undefined ? path : [path, semitones]));
    const key = sha256(Buffer.from(canonicalJson({ input, paths }))).slice(0, 16);
    const ending = input.image ? 'rgb' : 'f32';
    return { file: join(dir, `${key}.${ending}`), index: join(dir, `${key}.json`), items: part, input };
  });
  const missing = chunks.filter((chunk) => !existsSync(chunk.index));
  let done = (chunks.length - missing.length) * chunkItems;
  progress.update(Math.min(done, items.length));
  const onDone = (job: ChunkJob): void => {
    done += job.items.length;
    progress.update(Math.min(done, items.length));
  };
  await (threads === 0 ? runHere(missing, onDone) : runJobs(missing, Math.min(threads, missing.length), onDone));

  const indices = await Promise.all(chunks.map((chunk) => readJson(chunk.index) as Promise<ChunkIndex>));
  const entries = indices.flatMap((index, c) => index.entries.map((entry) => ({ ...entry, file: chunks[c]!.file })));
  const total = (pick: (index: ChunkIndex) => number): number => indices.reduce((sum, index) => sum + pick(index), 0);
  const mean = total((i) => i.sum) / total((i) => i.count);
  const variance = total((i) => i.squares) / total((i) => i.count) - mean * mean;
  return { entries, statistics: { mean, std: Math.sqrt(Math.max(variance, 1e-12)) } };
}

async function runHere(jobs: readonly ChunkJob[], onDone: (job: ChunkJob) => void): Promise<void> {
  for (const job of jobs) {
    await fillChunk(job).catch((cause: unknown) => {
      throw dataErrorOf(cause);
    });
    onDone(job);
  }
}

async function runJobs(jobs: ChunkJob[], threads: number, onDone: (job: ChunkJob) => void): Promise<void> {
  const queue = [...jobs];
  const runOne = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./cache-worker.ts', import.meta.url), {
        execArgv: ['--conditions=@unlabel/source'],
      });
      const finish = (error?: Error): void => {
        void leave(worker).then(() => (error ? reject(error) : resolve()));
      };
      let current: ChunkJob | undefined;
      const feed = (): void => {
        current = queue.shift();
        if (current) worker.postMessage(current);
        else finish();
      };
      worker.on('message', (reply: { error?: string }) => {
        if (reply.error !== undefined) return finish(new DataError(reply.error));
        onDone(current!);
        feed();
      });
      worker.on('error', (error) => finish(error instanceof Error ? error : new Error(String(error))));
      feed();
    });
  await Promise.all(Array.from({ length: threads }, runOne));
}
