/** Interleaved samples of a WAV file ↔ one float array a channel. Scales are libsndfile's: integers divided by 2^(bits−1). */
import { copyOf, viewOf } from './bytes.ts';
import type { WavInfo } from './wav-header.ts';

/** ITU-T G.711 A-law, one float of −1…1 a code. */
function alawTable(): Float32Array {
  return Float32Array.from({ length: 256 }, (_, code) => {
    const a = code ^ 0x55;
    const exponent = (a >> 4) & 7;
    const mantissa = ((a & 15) << 4) + 8;
    const magnitude = exponent === 0 ? mantissa : (mantissa + 0x100) << (exponent - 1);
    return (a & 0x80 ? magnitude : -magnitude) / 32768;
  });
}

/** ITU-T G.711 µ-law, one float of −1…1 a code. */
function ulawTable(): Float32Array {
  return Float32Array.from({ length: 256 }, (_, code) => {
    const u = ~code & 0xff;
    const magnitude = ((((u & 15) << 3) + 0x84) << ((u >> 4) & 7)) - 0x84;
    return (u & 0x80 ? -magnitude : magnitude) / 32768;
  });
}

const tables: { alaw?: Float32Array; ulaw?: Float32Array } = {};

/** `array` over the bytes when they lie at a multiple of its element size, over a copy otherwise. */
function aligned<T>(
  bytes: Uint8Array,
  width: number,
  make: (buffer: ArrayBufferLike, offset: number, n: number) => T,
): T {
  const source = bytes.byteOffset % width === 0 ? bytes : copyOf(bytes);
  return make(source.buffer, source.byteOffset, Math.floor(bytes.byteLength / width));
}

/**
 * Decodes whole frames.
 * @param bytes exactly `frames × info.frameBytes` bytes
 * @returns one Float32Array [frames] a channel, −1…1 (float encodings as stored: they may exceed it or be NaN)
 */
export function decodeFrames(
  info: Pick<WavInfo, 'encoding' | 'channels'>,
  bytes: Uint8Array,
  frames: number,
): Float32Array[] {
  const n = info.channels;
  const out = Array.from({ length: n }, () => new Float32Array(frames));
  out.forEach((channel, c) => {
    switch (info.encoding) {
      case 'pcm8':
        for (let i = 0, j = c; i < frames; i++, j += n) channel[i] = (bytes[j]! - 128) / 128;
        break;
      case 'pcm16': {
        const source = aligned(bytes, 2, (b, o, k) => new Int16Array(b, o, k));
        for (let i = 0, j = c; i < frames; i++, j += n) channel[i] = source[j]! / 32768;
        break;
      }
      case 'pcm24':
        for (let i = 0, j = 3 * c; i < frames; i++, j += 3 * n) {
          channel[i] = ((bytes[j]! << 8) | (bytes[j + 1]! << 16) | (bytes[j + 2]! << 24)) / 2147483648;
        }
        break;
      case 'pcm32': {
        const source = aligned(bytes, 4, (b, o, k) => new Int32Array(b, o, k));
        for (let i = 0, j = c; i < frames; i++, j += n) channel[i] = source[j]! / 2147483648;
        break;
      }
      case 'float32': {
        const source = aligned(bytes, 4, (b, o, k) => new Float32Array(b, o, k));
        if (n === 1) channel.set(source.subarray(0, frames));
        else for (let i = 0, j = c; i < frames; i++, j += n) channel[i] = source[j]!;
        break;
      }
      case 'float64': {
        const source = aligned(bytes, 8, (b, o, k) => new Float64Array(b, o, k));
        for (let i = 0, j = c; i < frames; i++, j += n) channel[i] = source[j]!;
        break;
      }
      case 'alaw':
      case 'ulaw': {
        const table = (tables[info.encoding] ??= info.encoding === 'alaw' ? alawTable() : ulawTable());
        for (let i = 0, j = c; i < frames; i++, j += n) channel[i] = table[bytes[j]!]!;
        break;
      }
    }
  });
  return out;
}

/**
 * Writes channels [frames] interleaved at `offset` of `target`. 16-bit samples are round(32768·x) clipped to the range, so
 * that what was decoded from 16 bits comes back unchanged.
 */
export function encodeFrames(
  channels: readonly Float32Array[],
  encoding: 'pcm16' | 'float32',
  target: Uint8Array,
  offset: number,
): void {
  const view = viewOf(target);
  const n = channels.length;
  channels.forEach((channel, c) => {
    if (encoding === 'float32') {
      for (let i = 0, at = offset + 4 * c; i < channel.length; i++, at += 4 * n) view.setFloat32(at, channel[i]!, true);
      return;
    }
    for (let i = 0, at = offset + 2 * c; i < channel.length; i++, at += 2 * n) {
      const x = channel[i]! * 32768 + 0.5; // exact in float64
      const clipped = x >= 32767 ? 32767 : x < -32768 ? -32768 : x;
      view.setInt16(at, ((clipped + 32768) | 0) - 32768, true); // floor, by truncating what is not negative
    }
  });
}
