/** A model's speed and memory, from a few seconds of noise. */
import { createRng, type Embedder, type ImageEmbedder } from '@unlabel/core';

export interface ModelSpeed {
  /** Seconds of computing a second of audio, or an image, on one worker. */
  readonly perSecond: number;
  readonly sceneWidth: number;
  readonly frameWidth: number;
  /** Rows a second of timestamp embeddings; 0 without them. */
  readonly framesPerSecond: number;
  /** Working memory of the longest clip in one pass, where the model knows it. */
  readonly longestBytes: number | null;
  /** Resident size of the process now. */
  readonly residentBytes: number;
}

/** Clips of one second, about as many as a batch has. */
const clips = 16;

export async function measureSpeed(embedder: Embedder, longestSeconds: number): Promise<ModelSpeed> {
  const rng = createRng(0);
  const audio = Array.from({ length: clips }, () =>
    Float32Array.from({ length: embedder.sampleRate }, () => rng.range(-0.5, 0.5)),
  );
  await embedder.embedScenes(audio.slice(0, 2)); // the first pass compiles and allocates
  const start = performance.now();
  await embedder.embedScenes(audio);
  const perSecond = (performance.now() - start) / 1000 / clips;
  const frames = await embedder.embedTimestamps?.(audio[0]!);
  return {
    perSecond,
    sceneWidth: embedder.sceneEmbeddingSize,
    frameWidth: embedder.timestampEmbeddingSize,
    framesPerSecond: frames?.timestamps.length ?? 0,
    longestBytes: (await embedder.memoryOf?.(Math.round(longestSeconds * embedder.sampleRate))) ?? null,
    residentBytes: process.memoryUsage().rss,
  };
}

/** Images of 256 × 256 pixels of noise. */
export async function measureImageSpeed(embedder: ImageEmbedder): Promise<ModelSpeed> {
  const rng = createRng(0);
  const side = 256;
  const images = Array.from({ length: clips }, () => ({
    width: side,
    height: side,
    data: Uint8Array.from({ length: side * side * 3 }, () => rng.int(256)),
  }));
  await embedder.embedImages(images.slice(0, 2), 'center'); // the first pass compiles and allocates
  const start = performance.now();
  await embedder.embedImages(images, 'center');
  return {
    perSecond: (performance.now() - start) / 1000 / clips,
    sceneWidth: embedder.embeddingSize,
    frameWidth: 0,
    framesPerSecond: 0,
    longestBytes: null,
    residentBytes: process.memoryUsage().rss,
  };
}
