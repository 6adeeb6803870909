/** A recording → mono 16 kHz, and clips → WAV files. What runs in the worker threads. */
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { resample, toMono } from '@unlabel/audio';
import { DataError, messageOf } from '@unlabel/core';
import { decodeAudio, sha256 } from '@unlabel/formats';
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
      for (let done = 0; done < range.length;) {
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
  const frames = Math.ceil((seconds + 0.05) * rate);
  const mono = toMono(channels.map((channel) => channel.subarray(0, frames)));
  return resample(mono, rate, sampleRate).subarray(0, Math.round(seconds * sampleRate));
}

/** 16-bit samples as `encodeWav` writes them. Some sound-font recordings have peaks above 1: those are clipped. */
export function toPcm16(samples: Float32Array): Int16Array<ArrayBuffer> {
  const pcm = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i++) {
    const x = Math.floor(samples[i]! * 32768 + 0.5); // exactly Math.round, for float32, and four times as fast
    pcm[i] = x > 32767 ? 32767 : x < -32768 ? -32768 : x;
  }
  return pcm;
}

/**
 * A mono 16 kHz WAV of `length` samples: `pcm`, cut or followed by zeros. The same bytes as `encodeWav`; here the samples
 * that several clips share are converted once.
 */
export function wavBytes(pcm: Int16Array, length: number): Uint8Array {
  const bytes = new Uint8Array(44 + 2 * length);
  const view = new DataView(bytes.buffer);
  bytes.set(Buffer.from('RIFF....WAVEfmt ....................data....', 'latin1'));
  view.setUint32(4, bytes.length - 8, true);
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // mono
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * sampleRate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  view.setUint32(40, 2 * length, true);
  const samples = pcm.subarray(0, length);
  bytes.set(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength), 44);
  return bytes;
}

const samplesOf = (seconds: number): number => Math.round(seconds * sampleRate);

/** Writes a clip of `seconds` into a folder that exists; @returns SHA-256 of its bytes. */
export function writeClip(path: string, samples: Float32Array, seconds: number): string {
  const bytes = wavBytes(toPcm16(samples), samplesOf(seconds));
  writeFileSync(path, bytes);
  return sha256(bytes);
}

/** Decodes one recording and writes all clips that are cut from it. */
export async function render({ recording, outputs, keepSeconds }: RenderJob): Promise<RenderResult> {
  const longest = Math.max(comparedSeconds, keepSeconds, ...outputs.map(({ seconds }) => seconds));
  const samples = await renderRecording(recording, longest);
  const pcm = toPcm16(samples);
  const outputHashes = outputs.map(({ path, seconds, isPadded }) => {
    const length = samplesOf(seconds);
    const bytes = wavBytes(pcm, isPadded ? length : Math.min(length, pcm.length));
    writeFileSync(path, bytes);
    return sha256(bytes);
  });
  const compared = pcm.subarray(0, samplesOf(comparedSeconds));
  return {
    id: recording.id,
    audioHash: sha256(new Uint8Array(compared.buffer, compared.byteOffset, compared.byteLength)),
    seconds: samples.length / sampleRate,
    outputHashes,
    ...(keepSeconds > 0 ? { samples: samples.slice(0, samplesOf(keepSeconds)) } : {}),
  };
}
