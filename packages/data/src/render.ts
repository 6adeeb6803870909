/** A recording → mono 16 kHz, and clips → WAV bytes. What runs in the worker threads. */
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { resample } from '@unlabel/audio';
import { DataError, messageOf } from '@unlabel/core';
import { decodeAudio, encodeWav, sha256 } from '@unlabel/formats';
import { cutMp3, cutOgg } from './cut-stream.ts';
import type { Recording } from './task-plan.ts';

export const sampleRate = 16000;
/** Seconds over which two recordings are compared, and of which a recording's pre-training file holds at most so many. */
export const comparedSeconds = 3;

export interface RenderJob {
  readonly recording: Recording;
  /** Files to write: `seconds` long with zeros at the end, or at most so long when not `isPadded`. */
  readonly outputs: readonly { readonly path: string; readonly seconds: number; readonly isPadded: boolean }[];
  /** Give back the samples of so many seconds; 0 for none. */
  readonly keepSeconds: number;
}

export interface RenderResult {
  readonly id: string;
  /** SHA-256 of the first `comparedSeconds` as 16-bit samples at 16 kHz: equal for equal audio. */
  readonly audioHash: string;
  /** Of what was decoded, at most `comparedSeconds` or what the outputs ask for. */
  readonly seconds: number;
  /** SHA-256 of each output's bytes. */
  readonly outputHashes: readonly string[];
  readonly samples?: Float32Array;
}

function readBytes({ path, range }: Recording): Uint8Array {
  try {
    if (!range) return readFileSync(path);
    const bytes = new Uint8Array(range.length);
    const file = openSync(path, 'r');
    try {
      let done = 0;
      while (done < range.length) {
        const read = readSync(file, bytes, done, range.length - done, range.offset + done);
        if (read === 0) throw new Error('it ended early');
        done += read;
      }
    } finally {
      closeSync(file);
    }
    return bytes;
  } catch (cause) {
    throw new DataError(`${path}: the recording could not be read (${messageOf(cause)})`, { cause });
  }
}

/**
 * The first `seconds` of a recording, channels averaged, at 16 kHz.
 * @throws DataError when it cannot be read or decoded
 */
export async function renderRecording(recording: Recording, seconds: number): Promise<Float32Array> {
  const whole = readBytes(recording);
  const bytes = recording.name.endsWith('.mp3') ? cutMp3(whole, seconds + 0.1) : cutOgg(whole, seconds + 0.1);
  const { channels, sampleRate: rate } = await decodeAudio(bytes, recording.id);
  // what lies a kernel's width beyond the cut still counts there
  const mono = mixDown(channels, Math.ceil((seconds + 0.05) * rate));
  return resample(mono, rate, sampleRate).slice(0, Math.round(seconds * sampleRate));
}

function mixDown(channels: readonly Float32Array[], frames: number): Float32Array {
  const [first, ...others] = channels.map((channel) => channel.subarray(0, frames));
  if (!first) return new Float32Array(0);
  if (others.length === 0) return first;
  return first.map((x, i) => others.reduce((sum, other) => sum + other[i]!, x) / channels.length);
}

/** A clip of exactly (`isPadded`) or at most `seconds`. */
export function fit(samples: Float32Array, seconds: number, isPadded: boolean): Float32Array {
  const length = Math.round(seconds * sampleRate);
  if (samples.length >= length) return samples.subarray(0, length);
  if (!isPadded) return samples;
  const out = new Float32Array(length);
  out.set(samples);
  return out;
}

/** Mono 16-bit WAV at 16 kHz; peaks above 1 (some sound-font recordings have them) are clipped. */
export const wavBytes = (samples: Float32Array): Uint8Array => encodeWav({ sampleRate, channels: [samples] });

/** Writes a clip into a folder that exists; @returns SHA-256 of its bytes. */
export function writeClip(path: string, samples: Float32Array): string {
  const bytes = wavBytes(samples);
  writeFileSync(path, bytes);
  return sha256(bytes);
}

/** Decodes one recording and writes all clips that are cut from it. */
export async function render(job: RenderJob): Promise<RenderResult> {
  const seconds = Math.max(comparedSeconds, job.keepSeconds, ...job.outputs.map((output) => output.seconds));
  const samples = await renderRecording(job.recording, seconds);
  const outputHashes = job.outputs.map((output) =>
    writeClip(output.path, fit(samples, output.seconds, output.isPadded)),
  );
  return {
    id: job.recording.id,
    audioHash: sha256(wavBytes(fit(samples, comparedSeconds, false))),
    seconds: samples.length / sampleRate,
    outputHashes,
    ...(job.keepSeconds > 0 ? { samples: fit(samples, job.keepSeconds, false).slice() } : {}),
  };
}
