/** A chunk of the spectrogram cache, made in a worker thread or in the thread that trains. */
import type { ImageInput, InputSpec } from '@unlabel/core';
import { writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import { loadImage } from './image-source.ts';
import type { Item } from './items.ts';
import { cropSamples, frontEndOf, loadItem, padTo, rateOf, type CacheEntry } from './source.ts';

export interface ChunkIndex {
  /** Where each item of the chunk lies in its file, and its size. */
  readonly entries: readonly Omit<CacheEntry, 'file'>[];
  /** Sum and sum of squares over all values, for dataset statistics. */
  readonly sum: number;
  readonly squares: number;
  readonly count: number;
}

export interface ChunkJob {
  readonly file: string;
  readonly index: string;
  readonly items: readonly Item[];
  readonly input: InputSpec;
}

/** Writes the chunk's file and then its index, each atomically: a chunk with an index is whole. */
export async function fillChunk(job: ChunkJob): Promise<void> {
  const { file, index, items, input } = job;
  if (input.image) return fillImages(job, input.image);
  const frontEnd = frontEndOf(input)!;
  const wanted = cropSamples(input) ?? 1;
  const parts: Float32Array[] = [];
  const entries: { frames: number; offset: number }[] = [];
  let [offset, sum, squares, count] = [0, 0, 0, 0];
  for (const item of items) {
    const audio = await loadItem(item, rateOf(input));
    const { data, shape } = frontEnd.apply(padTo(audio, wanted, input.padding));
    const [bands, frames] = [shape[0]!, shape[1]!];
    const rows = new Float32Array(data.length);
    for (let f = 0; f < bands; f++) for (let t = 0; t < frames; t++) rows[t * bands + f] = data[f * frames + t]!;
    for (const value of rows) {
      sum += value;
      squares += value * value;
    }
    count += rows.length;
    parts.push(rows);
    entries.push({ frames, offset });
    offset += rows.byteLength;
  }
  await writeFileAtomic(
    file,
    parts.map((rows) => new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength)),
  );
  await writeJsonAtomic(index, { entries, sum, squares, count } satisfies ChunkIndex);
}

async function fillImages({ file, index, items }: ChunkJob, input: ImageInput): Promise<void> {
  const parts: Uint8Array[] = [];
  const entries: { frames: number; columns: number; offset: number }[] = [];
  let offset = 0;
  for (const item of items) {
    const { width, height, data } = await loadImage(item.path, input);
    parts.push(data);
    entries.push({ frames: height, columns: width, offset });
    offset += data.length;
  }
  await writeFileAtomic(file, parts);
  await writeJsonAtomic(index, { entries, sum: 0, squares: 0, count: 0 } satisfies ChunkIndex);
}
