/**
 * The header of RIFF/WAVE, RF64 and BW64 files (EBU Tech 3306, ITU-R BS.2088), read without trusting it. The scan asks for
 * the bytes it needs, so one parser serves both a buffer and a file.
 */
import { DataError } from '@unlabel/core';
import { latin1, printable, readUint64, viewOf } from './bytes.ts';
import { scanBytes, type Scan } from './scan.ts';

export type WavEncoding = 'pcm8' | 'pcm16' | 'pcm24' | 'pcm32' | 'float32' | 'float64' | 'alaw' | 'ulaw';

export interface WavInfo {
  /** Hz, 1…16 000 000. */
  readonly sampleRate: number;
  /** 1…256. */
  readonly channels: number;
  /** Whole frames (one sample of every channel) that are in the file. */
  readonly frames: number;
  readonly encoding: WavEncoding;
  /** Bytes of a frame: channels × bytes of a sample. */
  readonly frameBytes: number;
  /** Where the first frame starts. */
  readonly dataOffset: number;
}

const maxChunks = 1024; // before the samples; real files have under twenty
const maxChannels = 256;
const maxRate = 16_000_000;
/** Written for "not known yet" by streaming writers: ffmpeg and libsndfile pipes, and sox. */
const unknownSizes: readonly number[] = [0xffffffff, 0x7fffffff, 0x7ffff000];

/** Sub-format identifiers are a format tag followed by one of two tails (Microsoft's, and the ambisonic B-format's). */
const guidTails = ['000000001000800000aa00389b71', '00002107d3118644c8c1ca000000'];

/**
 * Walks the chunks of a file of `size` bytes up to its samples. Yields what it has to read, always within the file.
 * @throws DataError saying what is wrong with the header of `name`
 */
export function* scanWavHeader(size: number, name: string): Scan<WavInfo> {
  const fault = (what: string): DataError => new DataError(`${name}: ${what}`);
  if (size < 12) throw fault(`expected a WAV file, found ${size} bytes`);
  const head = yield { offset: 0, length: 12 };
  const magic = latin1(head, 0, 4);
  if (magic === 'RIFX') throw fault('big-endian WAV (RIFX) is not read. Convert it to RIFF');
  if (!['RIFF', 'RF64', 'BW64'].includes(magic) || latin1(head, 8, 12) !== 'WAVE') {
    throw fault(`expected a WAV file (RIFF…WAVE), found ${printable(magic)}…${printable(latin1(head, 8, 12))}`);
  }
  const riffSize = viewOf(head).getUint32(4, true);
  let format: Format | undefined;
  let size64: number | undefined; // bytes of samples as an RF64 file states them
  let at = 12;
  for (let chunk = 0; ; chunk++) {
    if (chunk >= maxChunks) throw fault(`no samples within the first ${maxChunks} chunks`);
    if (at + 8 > size) throw fault(format ? 'it has no data chunk' : 'it has no fmt chunk');
    const bytes = yield { offset: at, length: 8 };
    const id = latin1(bytes, 0, 4);
    const stated = viewOf(bytes).getUint32(4, true);
    const start = at + 8;
    if (id === 'data') {
      if (!format) throw fault('its data chunk comes before its fmt chunk, so the samples cannot be understood');
      const length = dataBytes(stated, { size64, riffSize, available: size - start, is64: magic !== 'RIFF' }, fault);
      const { frameBytes } = format;
      return { ...format, frames: Math.floor(length / frameBytes), dataOffset: start };
    }
    if (start + stated > size) {
      throw fault(`chunk ${printable(id)} at byte ${at} states ${stated} bytes, the file has ${size - start} left`);
    }
    if (id === 'fmt ') {
      if (format) throw fault('it has two fmt chunks');
      if (stated < 16 || stated > 65536) throw fault(`its fmt chunk has ${stated} bytes, expected 16…65536`);
      format = parseFormat(yield { offset: start, length: Math.min(stated, 40) }, fault);
    } else if (id === 'ds64' && magic !== 'RIFF') {
      if (stated < 24) throw fault(`its ds64 chunk has ${stated} bytes, expected at least 24`);
      size64 = readUint64(viewOf(yield { offset: start, length: 24 }), 8);
    }
    at = start + stated + (stated & 1); // chunks are padded to an even length
  }
}

interface Sizes {
  readonly size64: number | undefined;
  readonly riffSize: number;
  readonly available: number;
  readonly is64: boolean;
}

function dataBytes(stated: number, sizes: Sizes, fault: (what: string) => DataError): number {
  const { available, size64 } = sizes;
  let length = stated;
  if (sizes.is64 && stated === 0xffffffff) {
    if (size64 === undefined) throw fault('it is an RF64 file without the ds64 chunk that states its size');
    length = size64;
    if (length >= 2 ** 64) return available;
  } else if (length > available && unknownSizes.includes(length)) {
    return available;
  } else if (length === 0 && (sizes.riffSize === 0 || sizes.riffSize === 0xffffffff)) {
    return available; // a writer that was never able to come back to its header
  }
  if (length > available) {
    throw fault(`it is truncated: the header states ${length} bytes of samples, the file has ${available}`);
  }
  return length;
}

type Format = Pick<WavInfo, 'sampleRate' | 'channels' | 'encoding' | 'frameBytes'>;

function parseFormat(bytes: Uint8Array, fault: (what: string) => DataError): Format {
  const view = viewOf(bytes);
  let tag = view.getUint16(0, true);
  const channels = view.getUint16(2, true);
  const sampleRate = view.getUint32(4, true);
  const frameBytes = view.getUint16(12, true);
  const bits = view.getUint16(14, true);
  if (tag === 0xfffe) {
    if (bytes.length < 40) throw fault(`its extensible fmt chunk has ${bytes.length} bytes, expected at least 40`);
    const tail = Array.from(bytes.subarray(26, 40), (byte) => byte.toString(16).padStart(2, '0')).join('');
    if (!guidTails.includes(tail)) throw fault('its extensible fmt chunk names an unknown sub-format');
    tag = view.getUint16(24, true);
  }
  if (channels < 1 || channels > maxChannels) throw fault(`it states ${channels} channels, expected 1…${maxChannels}`);
  if (sampleRate < 1 || sampleRate > maxRate) throw fault(`it states ${sampleRate} Hz, expected 1…${maxRate}`);
  const encoding = encodingOf(tag, bits);
  if (!encoding) {
    const hex = `0x${tag.toString(16).padStart(4, '0')}`;
    throw fault(
      `format ${hex} with ${bits} bits is not read. Expected PCM of 8, 16, 24 or 32 bits, float of 32 or 64, A-law or µ-law`,
    );
  }
  const expected = channels * sampleBytes[encoding];
  if (frameBytes !== expected) {
    throw fault(`it states ${frameBytes} bytes a frame, ${channels} channels of ${encoding} take ${expected}`);
  }
  return { sampleRate, channels, encoding, frameBytes };
}

export const sampleBytes: Readonly<Record<WavEncoding, number>> = {
  pcm8: 1,
  pcm16: 2,
  pcm24: 3,
  pcm32: 4,
  float32: 4,
  float64: 8,
  alaw: 1,
  ulaw: 1,
};

function encodingOf(tag: number, bits: number): WavEncoding | undefined {
  if (tag === 1 && bits >= 1 && bits <= 32) {
    // Odd widths lie left-justified in the next whole number of bytes, so they are read as that width.
    return (['pcm8', 'pcm16', 'pcm24', 'pcm32'] as const)[Math.ceil(bits / 8) - 1];
  }
  if (tag === 3 && bits === 32) return 'float32';
  if (tag === 3 && bits === 64) return 'float64';
  if (tag === 6 && bits === 8) return 'alaw';
  if (tag === 7 && bits === 8) return 'ulaw';
  return undefined;
}

/**
 * Reads the header of a WAV file held in memory.
 * @throws DataError when it is not a WAV file, is of an encoding that is not read, states sizes that cannot be, or is
 * truncated (unless its size is marked unknown, as streaming writers do; then `frames` is what is there)
 */
export function parseWavHeader(bytes: Uint8Array, name = 'wav'): WavInfo {
  return scanBytes(scanWavHeader(bytes.length, name), bytes);
}
