/** Any audio file → samples, told apart by its first bytes, whatever its name ends in. */
import { readFile } from 'node:fs/promises';
import { DataError, messageOf } from '@unlabel/core';
import { decodeAiff } from './aiff.ts';
import { latin1, printable } from './bytes.ts';
import { openForReading, readExactly } from './files.ts';
import { decodeFlac } from './flac.ts';
import { id3v2Bytes, mpegInfo } from './mpeg.ts';
import { decodeMp3, decodeOggVorbis } from './wasm-decoders.ts';
import { checkRange, decodeWav, openWav, type DecodedAudio } from './wav.ts';

/**
 * Decodes a whole file: WAV (see `decodeWav`), FLAC, MP3, Ogg Vorbis, uncompressed AIFF and AIFF-C.
 * @param name stands in front of error messages
 * @throws DataError when the format is not read, or the file is damaged or cut short
 */
export async function decodeAudio(bytes: Uint8Array, name: string): Promise<DecodedAudio> {
  if (bytes.length < 4) throw new DataError(`${name}: expected an audio file, found ${bytes.length} bytes`);
  const magic = latin1(bytes, 0, 4);
  if (isWav(magic)) return decodeWav(bytes, name);
  if (magic === 'OggS') return decodeOggVorbis(bytes, name);
  if (magic === 'FORM') return decodeAiff(bytes, name);
  const start = id3v2Bytes(bytes); // a tag that is meant for MP3, and found before FLAC too
  if (bytes.length >= start + 4 && latin1(bytes, start, start + 4) === 'fLaC') return decodeFlac(bytes, name, start);
  if (mpegInfo(bytes)) return decodeMp3(bytes, name);
  throw new DataError(
    `${name}: expected WAV, FLAC, MP3, Ogg Vorbis or AIFF, found a file that starts with ${printable(magic)}. Convert it to one of these`,
  );
}

const isWav = (magic: string): boolean => ['RIFF', 'RIFX', 'RF64', 'BW64'].includes(magic);

export interface AudioReader {
  readonly info: {
    readonly sampleRate: number;
    readonly channels: number;
    readonly frames: number;
    readonly encoding: string;
  };
  /**
   * Frames startFrame … startFrame + frames − 1, one Float32Array [frames] a channel.
   * @throws DataError when they are not all within the file
   */
  read(startFrame: number, frames: number): Promise<Float32Array[]>;
  close(): Promise<void>;
}

/**
 * Opens an audio file for reading segments. WAV is streamed; the other formats are decoded once, now, and held in memory.
 * Close it when done.
 * @throws DataError naming the file, as `decodeAudio` does
 */
export async function openAudio(path: string): Promise<AudioReader> {
  const { handle, size } = await openForReading(path);
  let magic: string;
  try {
    magic = latin1(await readExactly(handle, 0, Math.min(4, size), path), 0, 4);
  } finally {
    await handle.close();
  }
  if (isWav(magic)) return openWav(path);
  const audio = await decodeAudio(await readWhole(path), path);
  const { sampleRate, frames, encoding } = audio;
  return {
    info: { sampleRate, channels: audio.channels.length, frames, encoding },
    async read(startFrame, count) {
      checkRange(startFrame, count, frames, path);
      return audio.channels.map((channel) => channel.slice(startFrame, startFrame + count));
    },
    async close() {},
  };
}

/**
 * Reads and decodes a whole file.
 * @throws DataError naming the file, as `decodeAudio` does
 */
export async function decodeAudioFile(path: string): Promise<DecodedAudio> {
  return decodeAudio(await readWhole(path), path);
}

async function readWhole(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new DataError(`${path}: the file could not be read (${messageOf(cause)})`, { cause });
  }
}
