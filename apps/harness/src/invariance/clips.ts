/** The clips of a task that are transformed, and the embeddings of them, kept in small files so that a killed run goes on. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { resample } from '@unlabel/audio';
import { canonicalJson, createRng, DataError, type Embedder } from '@unlabel/core';
import { decodeNpy, encodeNpy, sha256, writeFileAtomic } from '@unlabel/formats';
import { transforms } from '@unlabel/mt-slvr';
import { planTask, shortFingerprint, splitsOf } from '../evaluate/clips.ts';
import { audioOf, finite } from '../evaluate/embed-job.ts';
import type { ClipRef } from '../evaluate/store.ts';
import { foldsOf, type OpenedTask } from '@unlabel/tasks';
import type { MovedClips } from './measure.ts';

/** Hz at which the transformations work. */
const transformRate = 16000;
/** Clips in a file of embeddings. */
const chunkClips = 16;
/** Counts changes of the transformations: embeddings of others are not read. */
const revision = 1;

export interface ClipOptions {
  /** Clips at most, drawn from `seed`. */
  readonly clips: number;
  readonly seed: number;
  /** Where file hashes, resampled audio and embeddings are kept. */
  readonly cache: string;
}

/** Clips of all splits, each content once, in the order of their hashes as the seed shuffles them. */
export async function drawClips(task: OpenedTask, { clips, seed, cache }: ClipOptions): Promise<ClipRef[]> {
  const folds = foldsOf(task);
  const plan = await planTask(task, { sampleRate: transformRate, folds, cache });
  const wanted = splitsOf(task, folds);
  const found = new Map<string, ClipRef>();
  for (const { split, clips: list } of plan.splits)
    if (wanted.includes(split)) for (const clip of list) found.set(clip.hash, clip);
  const sorted = [...found.values()].sort((a, b) => (a.hash < b.hash ? -1 : 1));
  const order = createRng(seed).fork('invariance-clips').fork(task.id).permutation(sorted.length);
  return [...order.subarray(0, clips)].map((i) => sorted[i]!);
}

export interface MoveOptions extends ClipOptions {
  readonly seconds: number;
  readonly precision: string;
}

/**
 * Embeddings of the clips and of what each transformation makes of them. The parameters of a transformation are a function of the seed and
 * the clip: every model hears the same.
 */
export async function embedMoved(
  embedder: Embedder,
  clips: readonly ClipRef[],
  options: MoveOptions,
  report: (clips: number) => void,
): Promise<MovedClips> {
  const { seed, seconds, precision, cache } = options;
  const width = embedder.sceneEmbeddingSize;
  const versions = 1 + transforms.length;
  const all = new Float32Array(versions * clips.length * width); // [version, clip, width]
  for (let first = 0; first < clips.length; first += chunkClips) {
    const chunk = clips.slice(first, first + chunkClips);
    const key = { fingerprint: embedder.fingerprint, clips: chunk.map(({ hash }) => hash), seed, seconds, precision, revision };
    const name = `${sha256(canonicalJson(key)).slice(0, 24)}.npy`;
    const file = join(cache, 'embeddings', shortFingerprint(embedder.fingerprint), name);
    let values: Float32Array;
    if (existsSync(file)) values = await readChunk(file, chunk.length * versions * width);
    else {
      values = await embedChunk(embedder, chunk, options);
      await writeFileAtomic(file, encodeNpy({ data: values, shape: [chunk.length, versions, width] }));
    }
    chunk.forEach((_, i) => {
      for (let v = 0; v < versions; v++) {
        const row = values.subarray((i * versions + v) * width, (i * versions + v + 1) * width);
        all.set(row, (v * clips.length + first + i) * width);
      }
    });
    report(first + chunk.length);
  }
  const of = (v: number): Float32Array => all.subarray(v * clips.length * width, (v + 1) * clips.length * width);
  return { original: of(0), moved: new Map(transforms.map(({ name }, t) => [name, of(t + 1)])), width };
} // prettier-ignore

async function readChunk(file: string, size: number): Promise<Float32Array> {
  const { data } = decodeNpy(await readFile(file), file);
  if (!(data instanceof Float32Array) || data.length !== size)
    throw new DataError(`${file}: expected ${size} float32 values. Delete it and run again.`);
  return data;
}

/** [clips · versions, width], the clip itself first. */
async function embedChunk(
  embedder: Embedder,
  clips: readonly ClipRef[],
  { seed, seconds, cache }: MoveOptions,
): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for (const clip of clips) {
    const audio = (await audioOf(clip, transformRate, cache)).slice(0, seconds * transformRate);
    const rng = createRng(seed).fork('invariance').fork(clip.hash);
    const versions = [audio, ...transforms.map((transform) => transform.apply(audio, rng.fork(transform.name)))];
    const heard = versions.map((version) => resample(version, transformRate, embedder.sampleRate));
    parts.push(finite(await embedder.embedScenes(heard), clip));
  }
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
