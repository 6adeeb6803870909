/** A worker thread that fills chunks of the spectrogram cache. */
import { parentPort } from 'node:worker_threads';
import type { ImageInput, InputSpec } from '@unlabel/core';
import { writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import { loadImage } from './image-source.ts';
import type { Item } from './items.ts';
import type { Closing } from './leave.ts';
import { cropSamples, frontEndOf, loadItem, padTo, rateOf } from './source.ts';
import type { ChunkIndex } from './spectrogram-cache.ts';

export interface ChunkJob {
  readonly file: string;
  readonly index: string;
  readonly items: readonly Item[];
  readonly input: InputSpec;
}

parentPort!.on('message', (job: ChunkJob | Closing) => {
  if ('close' in job) return parentPort!.close();
  void fill(job).then(
    () => parentPort!.postMessage({}),
    (error: unknown) => parentPort!.postMessage({ error: error instanceof Error ? error.message : String(error) }),
  );
});

async function fill(job: ChunkJob): Promise<void> {
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
