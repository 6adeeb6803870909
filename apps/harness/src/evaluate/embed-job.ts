/**
 * Embeds the clips of a shard that are not embedded yet: scene vectors, frames with their times for event tasks, or a vector for each
 * window of a clip for few-shot tasks.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadAudio, resample, toMono } from '@unlabel/audio';
import { DataError, messageOf, type Embedder } from '@unlabel/core';
import { decodeAudioFile, encodeWav, writeFileAtomic } from '@unlabel/formats';
import type { ModelRef } from '../models/resolve.ts';
import { cutWindows } from './windows.ts';
import { openShard, type ClipEmbedding, type ClipRef, type EmbeddingKind, type Shard } from './store.ts';

export interface EmbedJob {
  readonly kind: 'embed';
  readonly model: ModelRef;
  readonly store: string;
  readonly shard: Shard;
  /** Clips of the shard that are wanted now: its first. */
  readonly wanted: number;
  readonly output: EmbeddingKind;
  /** Length of a window, of `windows`. */
  readonly windowSeconds?: number | undefined;
  /** Folder of resampled audio. */
  readonly cache: string;
  /** Bytes that audio and activations may take in this process. */
  readonly memory: number;
}

/** Clips, and samples (20 MB), that go to the model at once. The memory at hand lowers the samples, never raises them. */
const clipsAtOnce = 64;
const samplesAtOnce = 5e6;

/** @throws DataError naming the model and the clips for anything that the model does wrong */
export async function embedShard(
  { shard, store, output, windowSeconds, cache, memory, wanted }: EmbedJob,
  embedder: Embedder,
  environment: Readonly<Record<string, unknown>>,
  report: (clips: number) => void = () => {},
): Promise<{ seconds: number }> {
  const width = output === 'event' ? embedder.timestampEmbeddingSize : embedder.sceneEmbeddingSize;
  if (output === 'event' && (!embedder.embedTimestamps || width === 0)) {
    throw new DataError(
      `${embedder.id}: gives no timestamp embeddings, which event tasks need. Leave these tasks out with --only.`,
    );
  }
  const writer = await openShard(store, shard, { schema: 2, kind: output, width, environment: { ...environment } });
  const atOnce = output === 'event' ? 1 : Math.max(1, Math.min(samplesAtOnce, Math.floor(memory / 64)));
  const start = performance.now();
  let last = start;
  try {
    let waiting: { clip: ClipRef; audio: Float32Array }[] = [];
    let held = 0;
    const flush = async (): Promise<void> => {
      const embedded =
        output === 'windows'
          ? await embedWindows(embedder, waiting, windowSeconds ?? 1)
          : await embedClips(embedder, waiting, output, width);
      const seconds = (performance.now() - last) / 1000;
      await writer.append(embedded, { seconds, peakBytes: process.resourceUsage().maxRSS * 1024 });
      last = performance.now(); // writing is not the model's time
      report(waiting.length);
      [waiting, held] = [[], 0];
    };
    for (let at = writer.done; at < shard.clips.length; at++) {
      // A batch is never cut short because fewer clips are wanted: the same clips always meet in one.
      if (waiting.length === 0 && at >= wanted) break;
      const clip = shard.clips[at]!;
      const audio = await audioOf(clip, embedder.sampleRate, cache);
      if (waiting.length > 0 && (held + audio.length > atOnce || waiting.length === clipsAtOnce)) {
        await flush();
        if (at >= wanted) break;
      }
      waiting.push({ clip, audio });
      held += audio.length;
    }
    if (waiting.length > 0) await flush();
  } finally {
    await writer.close();
  }
  return { seconds: (performance.now() - start) / 1000 };
}

/** Windows of all clips together. */
async function embedWindows(
  embedder: Embedder,
  clips: readonly { readonly clip: ClipRef; readonly audio: Float32Array }[],
  seconds: number,
): Promise<ClipEmbedding[]> {
  const windows = clips.map(({ audio }) => cutWindows(audio, Math.round(seconds * embedder.sampleRate)));
  const parts = windows.flatMap((list, i) => list.map((audio) => ({ clip: clips[i]!.clip, audio })));
  const embedded = await embedClips(embedder, parts, 'scene', embedder.sceneEmbeddingSize);
  let at = 0;
  return windows.map(({ length }) => {
    const values = new Float32Array(length * embedder.sceneEmbeddingSize);
    for (let w = 0; w < length; w++) values.set(embedded[at++]!.values, w * embedder.sceneEmbeddingSize);
    return { values };
  });
}

async function embedClips(
  embedder: Embedder,
  clips: readonly { readonly clip: ClipRef; readonly audio: Float32Array }[],
  output: EmbeddingKind,
  width: number,
): Promise<ClipEmbedding[]> {
  try {
    if (output === 'scene') {
      const values = await embedder.embedScenes(clips.map(({ audio }) => audio));
      if (values.length !== clips.length * width) {
        throw new DataError(
          `gave ${values.length} values for ${clips.length} clips, expected ${clips.length} × ${width}, its sceneEmbeddingSize`,
        );
      }
      return clips.map(({ clip }, i) => ({ values: finite(values.subarray(i * width, (i + 1) * width), clip) }));
    }
    const embedded: ClipEmbedding[] = [];
    for (const { clip, audio } of clips) {
      const { embeddings, timestamps } = await embedder.embedTimestamps!(audio);
      if (embeddings.length !== timestamps.length * width || timestamps.length === 0) {
        throw new DataError(
          `gave ${embeddings.length} values and ${timestamps.length} timestamps, expected ${width} values a timestamp`,
        );
      }
      const times = Float64Array.from(timestamps);
      for (let t = 0; t < times.length; t++) {
        if (!Number.isFinite(times[t]!) || (t > 0 && times[t]! <= times[t - 1]!))
          throw new DataError(`timestamps must grow; number ${t} is ${times[t]} ms after ${times[t - 1] ?? 'none'}`);
      }
      embedded.push({ values: finite(embeddings, clip), timestamps: times });
    }
    return embedded;
  } catch (error) {
    const files = `${clips[0]!.clip.path}${clips.length > 1 ? ` and ${clips.length - 1} more` : ''}`;
    throw new DataError(`${embedder.id}: embedding ${files}: ${messageOf(error)}`, { cause: error });
  }
}

/** @throws DataError naming the clip */
export function finite(values: Float32Array, clip: ClipRef): Float32Array {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return values;
  throw new DataError(
    `the embedding of ${clip.path} is not finite (${values[bad]} at ${bad}). The model or its normalization is broken`,
  );
}

/** Counts changes of the resampler: cached audio of another is not read. */
const resamplerRevision = 'v1';

/**
 * A clip at the model's rate. One that had to be resampled is kept as float32, so that it is resampled once and what is read back
 * is what was computed.
 */
export async function audioOf({ path, hash, rate }: ClipRef, sampleRate: number, cache: string): Promise<Float32Array> {
  const kept = join(cache, 'audio', `${sampleRate}-${resamplerRevision}`, hash.slice(0, 2), `${hash}.wav`);
  if (rate !== sampleRate && existsSync(kept)) return (await loadAudio(kept)).audio;
  const decoded = await decodeAudioFile(path);
  if (decoded.sampleRate !== rate) {
    throw new DataError(
      `${path}: expected ${rate} Hz as its folder says, found ${decoded.sampleRate} Hz. Check the task with: unlabel tasks validate`,
    );
  }
  if (decoded.frames === 0) throw new DataError(`${path}: the file holds no samples.`);
  const mono = toMono(decoded.channels);
  if (rate === sampleRate) return mono;
  const audio = resample(mono, rate, sampleRate);
  await writeFileAtomic(kept, encodeWav({ sampleRate, channels: [audio] }, 'float32'));
  return audio;
}
