/** Audio files → mono samples at a rate: what every front-end starts from. */
import { ConfigError, DataError } from '@unlabel/core';
import { decodeAudioFile, openAudio } from '@unlabel/formats';
import { resample, resampleRatio, type ResampleOptions } from './resample.ts';

export interface LoadOptions {
  /** Hz to resample to; default the file's own rate. */
  readonly sampleRate?: number;
  /** Seconds into the file; default 0. */
  readonly start?: number;
  /** Seconds to read; default to the end. Less is returned where the file ends first. */
  readonly seconds?: number;
  /** Quality of the resampling; default torchaudio's. */
  readonly resample?: ResampleOptions;
}

export interface LoadedAudio {
  /** Mean of the channels [N], −1…1 (files of floats may exceed it). */
  readonly audio: Float32Array;
  /** Hz. */
  readonly sampleRate: number;
  /** Seconds of `audio`. */
  readonly seconds: number;
}

/** Channels [N] each → their mean [N]; one channel is returned as it is, more are summed into the first. */
export function toMono(channels: readonly Float32Array[]): Float32Array {
  const [mono, ...others] = channels;
  if (mono === undefined) throw new DataError('toMono: expected one channel or more, found none.');
  if (others.length === 0) return mono;
  for (const channel of others) for (let i = 0; i < mono.length; i++) mono[i]! += channel[i]!;
  const share = 1 / channels.length;
  for (let i = 0; i < mono.length; i++) mono[i]! *= share;
  return mono;
}

/**
 * Reads a file, or a part of it, as mono audio at a rate. WAV parts are read without the rest of the file; a part equals the
 * same samples of the whole file's resampling.
 * @throws DataError for a file that cannot be read, is damaged, or ends before `start`
 * @throws ConfigError for times or rates that cannot be
 */
export async function loadAudio(path: string, options: LoadOptions = {}): Promise<LoadedAudio> {
  const { start = 0, seconds = Infinity } = options;
  if (!(start >= 0 && Number.isFinite(start) && seconds > 0)) {
    throw new ConfigError(`${path}: expected start ≥ 0 and seconds > 0, found ${start} and ${seconds}.`);
  }
  if (start === 0 && seconds === Infinity) {
    const decoded = await decodeAudioFile(path);
    const sampleRate = options.sampleRate ?? decoded.sampleRate;
    if (decoded.frames === 0) throw new DataError(`${path}: the file holds no samples.`);
    const audio = resample(toMono(decoded.channels), decoded.sampleRate, sampleRate, options.resample);
    return { audio, sampleRate, seconds: audio.length / sampleRate };
  }
  const reader = await openAudio(path);
  try {
    const { frames, sampleRate: fileRate } = reader.info;
    const sampleRate = options.sampleRate ?? fileRate;
    const { p, q, reach } = resampleRatio(fileRate, sampleRate, options.resample);
    const total = Math.ceil((frames * q) / p);
    const first = Math.round(start * sampleRate);
    if (first >= total) {
      throw new DataError(`${path}: it ends after ${frames / fileRate} s, and was asked for from ${start} s on.`);
    }
    const count = Math.min(total - first, Math.max(1, Math.round(seconds * sampleRate)));
    // whole periods of p input samples, so that the kernels' phases are those of the whole file
    const period = Math.max(0, Math.floor(first / q) - Math.ceil(reach / p));
    const from = period * p;
    const to = Math.min(frames, Math.ceil(((first + count) * p) / q) + reach);
    const piece = resample(toMono(await reader.read(from, to - from)), fileRate, sampleRate, options.resample);
    const audio = piece.slice(first - period * q, first - period * q + count);
    return { audio, sampleRate, seconds: audio.length / sampleRate };
  } finally {
    await reader.close();
  }
}
