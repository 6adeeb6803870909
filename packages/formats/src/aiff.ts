/** Uncompressed AIFF and AIFF-C files: big-endian PCM, `sowt` (little-endian), `fl32`, `fl64`. */
import { DataError } from '@unlabel/core';
import { latin1, printable, viewOf } from './bytes.ts';
import type { DecodedAudio } from './wav.ts';

const maxChunks = 1024;

interface Common {
  readonly channels: number;
  readonly frames: number;
  readonly bits: number;
  readonly sampleRate: number;
  readonly compression: string;
}

/**
 * Decodes an AIFF or AIFF-C file held in memory. Integers are divided by 2^(bits−1).
 * @throws DataError when it is compressed, malformed or cut short
 */
export function decodeAiff(bytes: Uint8Array, name: string): DecodedAudio {
  const fault = (what: string): DataError => new DataError(`${name}: ${what}`);
  const form = bytes.length < 12 ? '' : latin1(bytes, 8, 12);
  if (form !== 'AIFF' && form !== 'AIFC') throw fault(`expected an AIFF file, found FORM ${printable(form)}`);
  const view = viewOf(bytes);
  let common: Common | undefined;
  let sound: { start: number; bytes: number } | undefined;
  let at = 12;
  for (let chunk = 0; at + 8 <= bytes.length && !(common && sound); chunk++) {
    if (chunk >= maxChunks) throw fault(`no samples within the first ${maxChunks} chunks`);
    const id = latin1(bytes, at, at + 4);
    const size = view.getUint32(at + 4);
    const start = at + 8;
    if (start + size > bytes.length) {
      throw fault(
        `chunk ${printable(id)} at byte ${at} states ${size} bytes, the file has ${bytes.length - start} left`,
      );
    }
    if (id === 'COMM') common = parseCommon(bytes.subarray(start, start + size), form, fault);
    if (id === 'SSND') {
      const skip = size < 8 ? NaN : view.getUint32(start);
      if (!(8 + skip <= size)) throw fault('its SSND chunk is malformed');
      sound = { start: start + 8 + skip, bytes: size - 8 - skip };
    }
    at = start + size + (size & 1);
  }
  if (!common || (!sound && common.frames > 0)) throw fault(`it has no ${common ? 'SSND' : 'COMM'} chunk`);
  const { channels, frames, sampleRate } = common;
  const { width, encoding, read } = sampleReader(common, fault);
  const needed = frames * channels * width;
  if (sound && needed > sound.bytes) {
    throw fault(`it is truncated: its header states ${needed} bytes of samples, its SSND chunk has ${sound.bytes}`);
  }
  const data = sound ? bytes.subarray(sound.start, sound.start + needed) : bytes.subarray(0, 0);
  const samples = viewOf(data);
  const out = Array.from({ length: channels }, (_, c) => {
    const channel = new Float32Array(frames);
    for (let i = 0, offset = c * width; i < frames; i++, offset += channels * width) channel[i] = read(samples, offset);
    return channel;
  });
  return { sampleRate, channels: out, frames, encoding };
}

function parseCommon(bytes: Uint8Array, form: string, fault: (what: string) => DataError): Common {
  if (bytes.length < (form === 'AIFC' ? 22 : 18)) throw fault(`its COMM chunk has only ${bytes.length} bytes`);
  const view = viewOf(bytes);
  const channels = view.getInt16(0);
  const exponent = view.getUint16(8) - 16383 - 63; // an 80-bit extended float: sign and exponent, then 64 bits of mantissa
  const sampleRate = (view.getUint32(10) * 4294967296 + view.getUint32(14)) * 2 ** exponent;
  if (channels < 1 || channels > 256) throw fault(`it states ${channels} channels, expected 1…256`);
  if (!Number.isInteger(sampleRate) || sampleRate < 1 || sampleRate > 16_000_000) {
    throw fault(`it states ${sampleRate} Hz, expected a whole number of 1…16000000`);
  }
  const compression = form === 'AIFC' ? latin1(bytes, 18, 22) : 'NONE';
  return { channels, frames: view.getUint32(2), bits: view.getInt16(6), sampleRate, compression };
}

interface SampleReader {
  readonly width: number;
  readonly encoding: string;
  readonly read: (view: DataView, offset: number) => number;
}

function sampleReader({ bits, compression }: Common, fault: (what: string) => DataError): SampleReader {
  const kind = compression.toLowerCase();
  if (kind === 'fl32') return { width: 4, encoding: 'float32', read: (view, at) => view.getFloat32(at) };
  if (kind === 'fl64') return { width: 8, encoding: 'float64', read: (view, at) => view.getFloat64(at) };
  const isLittle = kind === 'sowt';
  if (!(isLittle || ['none', 'twos'].includes(kind)) || bits < 1 || bits > 32) {
    throw fault(`AIFF compression ${printable(compression)} with ${bits} bits is not read. Convert it to WAV`);
  }
  const width = Math.ceil(bits / 8); // odd widths lie left-justified in whole bytes
  const encoding = `pcm${8 * width}`;
  if (width === 1) return { width, encoding, read: (view, at) => view.getInt8(at) / 128 };
  if (width === 2) return { width, encoding, read: (view, at) => view.getInt16(at, isLittle) / 32768 };
  if (width === 4) return { width, encoding, read: (view, at) => view.getInt32(at, isLittle) / 2147483648 };
  const read = (view: DataView, at: number): number => {
    const [high, low] = isLittle
      ? [view.getUint8(at + 2), view.getUint8(at)]
      : [view.getUint8(at), view.getUint8(at + 2)];
    return ((high << 24) | (view.getUint8(at + 1) << 16) | (low << 8)) / 2147483648;
  };
  return { width, encoding, read };
}
