/** WAV files: whole buffers, writing, and streaming reads of a segment. */
import { DataError } from '@unlabel/core';
import { openForReading, readExactly } from './files.ts';
import { scanFile } from './scan.ts';
import { parseWavHeader, scanWavHeader, type WavInfo } from './wav-header.ts';
import { decodeFrames, encodeFrames } from './wav-samples.ts';

export { parseWavHeader, type WavEncoding, type WavInfo } from './wav-header.ts';

export interface DecodedAudio {
  /** Hz. */
  readonly sampleRate: number;
  /** One array of `frames` samples a channel, −1…1. */
  readonly channels: Float32Array[];
  readonly frames: number;
  /** How the samples were stored: a `WavEncoding`, 'flac', 'mp3', 'vorbis', … */
  readonly encoding: string;
}

/**
 * Decodes a WAV file held in memory: PCM of 8, 16, 24, 32 bits, float of 32 and 64, A-law, µ-law, extensible, RF64/BW64.
 * @param name stands in front of error messages
 * @throws DataError for anything else, and for headers that cannot be (see `parseWavHeader`)
 */
export function decodeWav(bytes: Uint8Array, name = 'wav'): DecodedAudio {
  const info = parseWavHeader(bytes, name);
  const data = bytes.subarray(info.dataOffset, info.dataOffset + info.frames * info.frameBytes);
  const channels = decodeFrames(info, data, info.frames);
  return { sampleRate: info.sampleRate, channels, frames: info.frames, encoding: info.encoding };
}

/**
 * A WAV file of 16-bit integers (rounded to nearest, clipped) or 32-bit floats.
 * @throws DataError for no or unequal channels, a rate that is not a whole number of Hz, NaN among samples to be written
 * as integers, or more than the 4 GiB a RIFF file can hold
 */
export function encodeWav(
  audio: { readonly sampleRate: number; readonly channels: readonly Float32Array[] },
  encoding: 'pcm16' | 'float32' = 'pcm16',
): Uint8Array<ArrayBuffer> {
  const { sampleRate, channels } = audio;
  const frames = channels[0]?.length ?? 0;
  if (channels.length < 1 || channels.length > 256 || channels.some((channel) => channel.length !== frames)) {
    throw new DataError(
      `encodeWav: expected 1…256 channels of equal length, found lengths [${channels.map((c) => c.length).join(', ')}]`,
    );
  }
  if (!Number.isInteger(sampleRate) || sampleRate < 1 || sampleRate > 16_000_000) {
    throw new DataError(`encodeWav: expected a sample rate of 1…16000000 Hz, found ${sampleRate}`);
  }
  if (encoding === 'pcm16' && channels.some(hasNaN)) {
    throw new DataError('encodeWav: the samples contain NaN, which 16-bit integers cannot hold');
  }
  const isFloat = encoding === 'float32';
  const width = isFloat ? 4 : 2;
  const dataBytes = frames * channels.length * width;
  const header = isFloat ? 58 : 44; // formats other than PCM carry an extension size and a fact chunk
  if (header + dataBytes > 0xffffffff)
    throw new DataError(`encodeWav: ${dataBytes} bytes exceed the 4 GiB of a WAV file`);
  const bytes = new Uint8Array(header + dataBytes);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const text = (s: string): void => {
    for (let i = 0; i < s.length; i++) bytes[at++] = s.charCodeAt(i);
  };
  const u16 = (value: number): void => view.setUint16((at += 2) - 2, value, true);
  const u32 = (value: number): void => view.setUint32((at += 4) - 4, value, true);
  text('RIFF');
  u32(header - 8 + dataBytes);
  text('WAVEfmt ');
  u32(isFloat ? 18 : 16);
  u16(isFloat ? 3 : 1);
  u16(channels.length);
  u32(sampleRate);
  u32(Math.min(0xffffffff, sampleRate * channels.length * width));
  u16(channels.length * width);
  u16(8 * width);
  if (isFloat) {
    u16(0);
    text('fact');
    u32(4);
    u32(frames);
  }
  text('data');
  u32(dataBytes);
  encodeFrames(channels, encoding, bytes, at);
  return bytes;
}

function hasNaN(channel: Float32Array): boolean {
  for (let i = 0; i < channel.length; i++) if (Number.isNaN(channel[i]!)) return true; // some() takes ten times as long
  return false;
}

export interface WavReader {
  readonly info: WavInfo;
  /**
   * Frames startFrame … startFrame + frames − 1, one Float32Array [frames] a channel. Reads only their bytes.
   * @throws DataError when they are not all within the file
   */
  read(startFrame: number, frames: number): Promise<Float32Array[]>;
  close(): Promise<void>;
}

/**
 * Opens a WAV file for reading segments without loading it. Reads may overlap in time. Close it when done.
 * @throws DataError naming the file, as `decodeWav` does
 */
export async function openWav(path: string): Promise<WavReader> {
  const { handle, size } = await openForReading(path);
  try {
    const head = await readExactly(handle, 0, Math.min(size, 4096), path); // mostly holds all that the scan asks for
    const info = await scanFile(scanWavHeader(size, path), handle, path, head);
    return {
      info,
      async read(startFrame, frames) {
        checkRange(startFrame, frames, info.frames, path);
        const at = info.dataOffset + startFrame * info.frameBytes;
        return decodeFrames(info, await readExactly(handle, at, frames * info.frameBytes, path), frames);
      },
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** @throws DataError unless [start, start + frames) lies within a recording of `total` frames */
export function checkRange(start: number, frames: number, total: number, name: string): void {
  const isWhole = Number.isSafeInteger(start) && Number.isSafeInteger(frames);
  if (isWhole && start >= 0 && frames >= 0 && start + frames <= total) return;
  throw new DataError(`${name}: frames ${start} to ${start + frames} were asked for, it has ${total}`);
}
