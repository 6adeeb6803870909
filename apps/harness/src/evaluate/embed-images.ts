/** Embeds the images of a shard that are not embedded yet. */
import { DataError, messageOf, type CropPolicy, type ImageEmbedder } from '@unlabel/core';
import { decodeImage, type RgbImage } from '@unlabel/image';
import { readImageFile } from '@unlabel/tasks';
import type { ModelRef } from '../models/resolve.ts';
import { finite } from './embed-job.ts';
import { openShard, type ClipRef, type Shard } from './store.ts';

export interface EmbedImagesJob {
  readonly kind: 'embed-images';
  readonly model: ModelRef;
  readonly store: string;
  readonly shard: Shard;
  /** Images of the shard that are wanted now: its first. */
  readonly wanted: number;
  readonly crop: CropPolicy;
  /** Bytes that images and activations may take in this process. */
  readonly memory: number;
}

/** Images that go to the model at once, and pixels: of large photographs fewer. */
const imagesAtOnce = 64;
const pixelsAtOnce = 2 ** 25;
/** Decoded side by side: libvips has threads of its own. */
const decodedAtOnce = 4;

/** @throws DataError naming the model and the image for anything that goes wrong */
export async function embedImageShard(
  { shard, store, wanted, crop }: EmbedImagesJob,
  embedder: ImageEmbedder,
  environment: Readonly<Record<string, unknown>>,
  report: (images: number) => void = () => {},
): Promise<{ seconds: number }> {
  const width = embedder.embeddingSize;
  const header = { schema: 2, kind: 'scene', width, environment: { ...environment } } as const;
  const writer = await openShard(store, shard, header);
  const start = performance.now();
  let last = start;
  try {
    for (let at = writer.done; at < wanted;) {
      const { clips, values } = await nextRows(embedder, shard.clips, at, crop);
      const rows = clips.map((clip, i) => ({ values: finite(values.subarray(i * width, (i + 1) * width), clip) }));
      const seconds = (performance.now() - last) / 1000;
      await writer.append(rows, { seconds, peakBytes: process.resourceUsage().maxRSS * 1024 });
      last = performance.now(); // writing is not the model's time
      report(clips.length);
      at += clips.length;
    }
  } finally {
    await writer.close();
  }
  return { seconds: (performance.now() - start) / 1000 };
}

async function nextRows(
  embedder: ImageEmbedder,
  all: readonly ClipRef[],
  at: number,
  crop: CropPolicy,
): Promise<{ clips: readonly ClipRef[]; values: Float32Array }> {
  if (embedder.embedFiles) {
    const clips = all.slice(at, at + imagesAtOnce);
    return { clips, values: await embedder.embedFiles(clips.map(({ path }) => path)) };
  }
  const { clips, images } = await nextBatch(all, at);
  return { clips, values: await embed(embedder, clips, images, crop) };
}

/** Cut by the images alone, so that a resumed shard has the batches of an unbroken one. */
async function nextBatch(all: readonly ClipRef[], from: number): Promise<{ clips: ClipRef[]; images: RgbImage[] }> {
  const clips: ClipRef[] = [];
  const images: RgbImage[] = [];
  let pixels = 0;
  while (clips.length < imagesAtOnce && pixels < pixelsAtOnce && from + clips.length < all.length) {
    const room = Math.min(decodedAtOnce, imagesAtOnce - clips.length);
    const next = all.slice(from + clips.length, from + clips.length + room);
    const decoded = await Promise.all(next.map(({ path }) => loadImage(path)));
    clips.push(...next);
    images.push(...decoded);
    pixels += decoded.reduce((sum, { width, height }) => sum + width * height, 0);
  }
  return { clips, images };
}

/** Pixels as torchvision's loaders give them: as stored, whatever EXIF says of the camera. */
export async function loadImage(path: string): Promise<RgbImage> {
  return decodeImage(await readImageFile(path), { orientation: 'ignored' }, path);
}

async function embed(
  embedder: ImageEmbedder,
  clips: readonly ClipRef[],
  images: readonly RgbImage[],
  crop: CropPolicy,
): Promise<Float32Array> {
  try {
    return await embedder.embedImages(images, crop);
  } catch (error) {
    const files = `${clips[0]!.path}${clips.length > 1 ? ` and ${clips.length - 1} more` : ''}`;
    throw new DataError(`${embedder.id}: embedding ${files}: ${messageOf(error)}`, { cause: error });
  }
}
