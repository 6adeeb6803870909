/** hear-validator's checks of a model (hear.md §4), for any model of sounds: what an evaluation would stumble over, found in seconds. */
import { createRng, type Embedder } from '@unlabel/core';
import {
  checkAlone,
  checkRows,
  checkSame,
  error,
  ok,
  startChecks,
  warning,
  type Finding,
  type Found,
} from './findings.ts';

/** Rates of HEAR's corpus, in Hz. */
const hearRates = [16000, 22050, 32000, 44100, 48000];
/** Seconds of the validator's inputs, two clips each, and of the batch of four. */
const pairSeconds = [1.07, 1.98, 4.0];
const batch = { clips: 4, seconds: 2.74 };
const longSeconds = 20 * 60;
/** ms: spacing may deviate by this, and should not be longer than that on average. */
const spacing = { deviation: 1, longest: 50 };

export interface ValidateOptions {
  /** Also embed one clip of twenty minutes. */
  readonly long?: boolean | undefined;
  readonly onCheck?: (check: string) => void;
}

export async function validateEmbedder(embedder: Embedder, options: ValidateOptions = {}): Promise<readonly Finding[]> {
  const { findings, run } = startChecks(options.onCheck);
  await run('attributes', () => Promise.resolve(checkAttributes(embedder)));
  for (const seconds of pairSeconds) {
    await run(`scenes, 2 x ${seconds} s`, () => checkScenes(embedder, 2, seconds));
    if (embedder.embedTimestamps) await run(`timestamps, ${seconds} s`, () => checkTimestamps(embedder, seconds));
  }
  await run(`scenes, ${batch.clips} x ${batch.seconds} s`, () => checkScenes(embedder, batch.clips, batch.seconds));
  await run('same input, same output', () => checkRepeats(embedder));
  await run('alone as in a batch', () => checkBatch(embedder));
  if (options.long) await run('scenes, 1 x 20 min', () => checkScenes(embedder, 1, longSeconds));
  return findings;
}

function checkAttributes(embedder: Embedder): Found[] {
  const { sampleRate, sceneEmbeddingSize, timestampEmbeddingSize } = embedder;
  const found = [ok(`${sampleRate} Hz, scenes ${sceneEmbeddingSize}, timestamps ${timestampEmbeddingSize || 'none'}`)];
  if (!hearRates.includes(sampleRate)) {
    found.push(
      warning(`${sampleRate} Hz is none of HEAR's rates (${hearRates.join(', ')}); tasks are resampled to it`),
    );
  }
  if (!(sceneEmbeddingSize > 0)) found.push(error('sceneEmbeddingSize must be above 0'));
  if (!embedder.embedTimestamps || timestampEmbeddingSize === 0) {
    found.push(warning('no timestamp embeddings: event tasks cannot be evaluated'));
  }
  return found;
}

/** Uniform noise in −1…1, the validator's input. */
function noise(embedder: Embedder, clips: number, seconds: number, label = ''): Float32Array[] {
  const samples = Math.round(seconds * embedder.sampleRate);
  return Array.from({ length: clips }, (_, i) => {
    const rng = createRng(0).fork(`${label}${i}`);
    return Float32Array.from({ length: samples }, () => rng.range(-1, 1));
  });
}

async function checkScenes(embedder: Embedder, clips: number, seconds: number): Promise<Found[]> {
  const values = await embedder.embedScenes(noise(embedder, clips, seconds));
  return checkRows(values, clips, embedder.sceneEmbeddingSize, 'clip');
}

async function checkTimestamps(embedder: Embedder, seconds: number): Promise<Found[]> {
  const [clip] = noise(embedder, 1, seconds) as [Float32Array];
  const { embeddings, timestamps } = await embedder.embedTimestamps!(clip);
  const size = embedder.timestampEmbeddingSize;
  const frames = timestamps.length;
  if (frames === 0) return [error('no frames')];
  if (embeddings.length !== frames * size)
    return [error(`${frames} timestamps and ${embeddings.length} values; expected ${size} values each`)];
  if (embeddings.some((value) => !Number.isFinite(value))) return [error('an embedding is not finite')];
  const found = [ok(`${frames} frames of ${size}`)];
  const gaps = Array.from({ length: frames - 1 }, (_, t) => timestamps[t + 1]! - timestamps[t]!);
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / (gaps.length || 1);
  const worst = gaps.reduce((most, gap) => Math.max(most, Math.abs(gap - mean)), 0);
  if (gaps.some((gap) => gap <= 0)) found.push(error('timestamps do not rise'));
  if (worst > spacing.deviation)
    found.push(
      error(`spacing deviates by ${worst.toFixed(2)} ms from its mean of ${mean.toFixed(2)} ms; at most 1 ms`),
    );
  if (mean > spacing.longest) found.push(warning(`a frame every ${mean.toFixed(1)} ms; HEAR advises 50 ms or less`));
  const last = timestamps[frames - 1]!;
  if (last > seconds * 1000)
    found.push(error(`the last timestamp, ${last.toFixed(1)} ms, is beyond the clip's end at ${seconds * 1000} ms`));
  if (gaps.length > 0 && timestamps[0]! > mean)
    found.push(
      warning(`the first timestamp, ${timestamps[0]!.toFixed(1)} ms, is later than one frame (${mean.toFixed(1)} ms)`),
    );
  return found;
}

async function checkRepeats(embedder: Embedder): Promise<Found[]> {
  const clips = noise(embedder, 2, 1.07);
  const first = Float32Array.from(await embedder.embedScenes(clips));
  return checkSame(first, await embedder.embedScenes(clips));
}

async function checkBatch(embedder: Embedder): Promise<Found[]> {
  const clips = noise(embedder, 4, 1.07, 'batch');
  const together = Float32Array.from(await embedder.embedScenes(clips));
  const size = embedder.sceneEmbeddingSize;
  return checkAlone(together.subarray(2 * size, 3 * size), await embedder.embedScenes(clips.slice(2, 3)), 'a clip');
}
