/**
 * FLAC (RFC 9639), 4 to 24 bits, decoded to exactly the integers that were encoded; the WebAssembly builds of libFLAC give
 * floats scaled by 1/(2^(bits−1) − 1) instead, from which 24 bits do not come back. Every frame's checksums are verified.
 */
import { DataError } from '@unlabel/core';
import { latin1, viewOf } from './bytes.ts';
import { BitReader, crc16, crc8, FlacFault } from './flac-bits.ts';
import { maxDecodedSamples, SampleSink } from './sample-sink.ts';
import type { DecodedAudio } from './wav.ts';

interface StreamInfo {
  readonly sampleRate: number;
  readonly channels: number;
  readonly bits: number;
  /** Frames of sound; 0 when the writer did not know. */
  readonly total: number;
  /** Where the first frame starts. */
  readonly start: number;
}

/**
 * Decodes a FLAC file held in memory. Integers are divided by 2^(bits−1).
 * @param start where "fLaC" stands, after an ID3v2 tag
 * @throws DataError when it is damaged, cut short, of more than 24 bits, or too long to hold
 */
export function decodeFlac(bytes: Uint8Array, name: string, start = 0): DecodedAudio {
  try {
    const info = parseMetadata(bytes, start);
    if (info.total * info.channels > maxDecodedSamples) throw new FlacFault('it is too long to hold. Split it');
    const sink = new SampleSink(info.channels, name);
    const block = Array.from({ length: info.channels }, () => new Int32Array(65536));
    let at = info.start;
    while (info.total > 0 ? sink.frames < info.total : at < bytes.length) {
      const frame = decodeFrame(bytes, at, info, block);
      const size = info.total > 0 ? Math.min(frame.size, info.total - sink.frames) : frame.size;
      sink.addIntegers(block, size, 2 ** (info.bits - 1));
      at = frame.end;
    }
    return { sampleRate: info.sampleRate, channels: sink.finish(), frames: sink.frames, encoding: 'flac' };
  } catch (cause) {
    if (cause instanceof FlacFault)
      throw new DataError(`${name}: the FLAC file cannot be read: ${cause.message}`, { cause });
    throw cause;
  }
}

function parseMetadata(bytes: Uint8Array, start: number): StreamInfo {
  const view = viewOf(bytes);
  if (start + 42 > bytes.length || latin1(bytes, start, start + 4) !== 'fLaC') throw new FlacFault('it is cut short');
  let at = start + 4;
  let info: Omit<StreamInfo, 'start'> | undefined;
  for (;;) {
    if (at + 4 > bytes.length) throw new FlacFault('it is cut short');
    const header = view.getUint32(at);
    const length = header & 0xffffff;
    const body = at + 4;
    if (body + length > bytes.length) throw new FlacFault('a metadata block reaches beyond its end');
    if (!info) {
      if (((header >>> 24) & 127) !== 0 || length < 34) throw new FlacFault('it does not start with STREAMINFO');
      const packed = view.getUint32(body + 10); // 20 bits rate, 3 channels − 1, 5 bits − 1, 4 of the total
      info = {
        sampleRate: packed >>> 12,
        channels: ((packed >>> 9) & 7) + 1,
        bits: ((packed >>> 4) & 31) + 1,
        total: (packed & 15) * 4294967296 + view.getUint32(body + 14),
      };
    }
    at = body + length;
    if (header >>> 31) break;
  }
  if (info.sampleRate === 0) throw new FlacFault('it states a sample rate of 0');
  if (info.bits < 4 || info.bits > 24) throw new FlacFault(`it has ${info.bits} bits, expected 4 to 24`);
  return { ...info, start: at };
}

const rates = [0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000];
const sampleBits = [0, 8, 12, -1, 16, 20, 24, 32];

/** Decodes the frame at `at` into `block`, one array a channel. */
function decodeFrame(
  bytes: Uint8Array,
  at: number,
  info: StreamInfo,
  block: Int32Array[],
): { size: number; end: number } {
  const reader = new BitReader(bytes, at);
  if (reader.bits(15) !== 0x7ffc)
    throw new FlacFault(at >= bytes.length ? 'it is cut short' : `no frame starts at byte ${at}`);
  reader.bits(1); // fixed or variable block size: only changes what the coded number counts
  const sizeCode = reader.bits(4);
  const rateCode = reader.bits(4);
  const assignment = reader.bits(4);
  const bitsCode = reader.bits(3);
  reader.bits(1);
  skipCodedNumber(reader);
  const size = blockSize(sizeCode, reader);
  const rate =
    rateCode < 12
      ? rates[rateCode]!
      : rateCode === 12
        ? reader.bits(8) * 1000
        : reader.bits(16) * (rateCode === 14 ? 10 : 1);
  const headerEnd = reader.position;
  if (headerEnd >= bytes.length || reader.bits(8) !== crc8(bytes, at, headerEnd))
    throw new FlacFault(`the frame at byte ${at} is damaged`);
  const isStereoPair = assignment >= 8 && assignment <= 10;
  const channels = isStereoPair ? 2 : assignment + 1;
  const bits = sampleBits[bitsCode]! || info.bits;
  if (channels !== info.channels || bits !== info.bits || (rate !== 0 && rate !== info.sampleRate) || rateCode === 15) {
    throw new FlacFault(`the frame at byte ${at} has another rate, width or number of channels than the file`);
  }
  for (let c = 0; c < channels; c++) {
    const isSide = (c === 1 && (assignment === 8 || assignment === 10)) || (c === 0 && assignment === 9);
    decodeSubframe(reader, block[c]!, size, bits + (isSide ? 1 : 0));
  }
  reader.align();
  const end = reader.position;
  if (end + 2 > bytes.length) throw new FlacFault('it is cut short');
  if (reader.bits(16) !== crc16(bytes, at, end)) throw new FlacFault(`the frame at byte ${at} is damaged`);
  if (isStereoPair) undoStereo(block[0]!, block[1]!, size, assignment);
  return { size, end: end + 2 };
}

/** The frame's or sample's number, coded as UTF-8 codes characters, up to 7 bytes. */
function skipCodedNumber(reader: BitReader): void {
  const first = reader.bits(8);
  const ones = Math.clz32(~(first << 24));
  if (ones === 1 || ones > 7) throw new FlacFault('a frame header is malformed');
  for (let i = 1; i < ones; i++)
    if (reader.bits(2) !== 2 || reader.bits(6) < 0) throw new FlacFault('a frame header is malformed');
}

function blockSize(code: number, reader: BitReader): number {
  if (code === 0) throw new FlacFault('a frame header is malformed');
  if (code === 1) return 192;
  if (code <= 5) return 576 << (code - 2);
  if (code === 6) return reader.bits(8) + 1;
  if (code === 7) return reader.bits(16) + 1;
  return 256 << (code - 8);
}

function decodeSubframe(reader: BitReader, out: Int32Array, size: number, frameBits: number): void {
  if (reader.bits(1) !== 0) throw new FlacFault('a subframe is malformed');
  const type = reader.bits(6);
  const wasted = reader.bits(1) ? reader.unary() + 1 : 0;
  const bits = frameBits - wasted;
  if (bits < 1) throw new FlacFault('a subframe is malformed');
  if (type === 0) out.fill(reader.signed(bits), 0, size);
  else if (type === 1) for (let i = 0; i < size; i++) out[i] = reader.signed(bits);
  else if (type >= 8 && type <= 12) {
    readWarmUp(reader, out, type - 8, size, bits);
    readResidual(reader, out, type - 8, size);
    undoFixed(out, type - 8, size);
  } else if (type >= 32) {
    const order = type - 31;
    readWarmUp(reader, out, order, size, bits);
    const precision = reader.bits(4) + 1;
    const shift = reader.signed(5);
    if (precision === 16 || shift < 0) throw new FlacFault('a predictor is malformed');
    const coefficients = Int32Array.from({ length: order }, () => reader.signed(precision));
    readResidual(reader, out, order, size);
    // Sums that may leave 32 bits are formed in float64, where they are exact: 25 + 15 + 5 bits at most.
    if (bits + precision + Math.ceil(Math.log2(order)) <= 32) undoLpc(out, coefficients, shift, size);
    else undoLpcWide(out, coefficients, shift, size);
  } else throw new FlacFault('a subframe is of an unknown type');
  if (wasted > 0) for (let i = 0; i < size; i++) out[i]! <<= wasted;
}

function readWarmUp(reader: BitReader, out: Int32Array, order: number, size: number, bits: number): void {
  if (order > size) throw new FlacFault('a predictor is longer than its block');
  for (let i = 0; i < order; i++) out[i] = reader.signed(bits);
}

function readResidual(reader: BitReader, out: Int32Array, order: number, size: number): void {
  const method = reader.bits(2);
  if (method > 1) throw new FlacFault('a residual is of an unknown kind');
  const parameterBits = 4 + method;
  const escape = (1 << parameterBits) - 1;
  const partitionOrder = reader.bits(4);
  const length = size >> partitionOrder;
  if (length << partitionOrder !== size || length < order) throw new FlacFault('a residual does not fit its block');
  for (let start = order, end = length; end <= size; start = end, end += length) {
    const k = reader.bits(parameterBits);
    if (k !== escape) reader.rice(out, start, end, k);
    else {
      const width = reader.bits(5);
      if (width === 0) out.fill(0, start, end);
      else for (let i = start; i < end; i++) out[i] = reader.signed(width);
    }
  }
}

/** Fixed predictors: sums of differences of order 1 to 4. */
function undoFixed(x: Int32Array, order: number, size: number): void {
  if (order === 1) for (let i = 1; i < size; i++) x[i]! += x[i - 1]!;
  else if (order === 2) for (let i = 2; i < size; i++) x[i]! += 2 * x[i - 1]! - x[i - 2]!;
  else if (order === 3) for (let i = 3; i < size; i++) x[i]! += 3 * (x[i - 1]! - x[i - 2]!) + x[i - 3]!;
  else if (order === 4) for (let i = 4; i < size; i++) x[i]! += 4 * (x[i - 1]! + x[i - 3]!) - 6 * x[i - 2]! - x[i - 4]!;
}

function undoLpc(x: Int32Array, coefficients: Int32Array, shift: number, size: number): void {
  const order = coefficients.length;
  for (let i = order; i < size; i++) {
    let sum = 0;
    for (let j = 0; j < order; j++) sum = (sum + Math.imul(coefficients[j]!, x[i - 1 - j]!)) | 0;
    x[i]! += sum >> shift;
  }
}

function undoLpcWide(x: Int32Array, coefficients: Int32Array, shift: number, size: number): void {
  const order = coefficients.length;
  const scale = 2 ** -shift;
  for (let i = order; i < size; i++) {
    let sum = 0;
    for (let j = 0; j < order; j++) sum += coefficients[j]! * x[i - 1 - j]!;
    x[i]! += Math.floor(sum * scale);
  }
}

/** 8 is left and side, 9 side and right, 10 middle and side; side = left − right. */
function undoStereo(a: Int32Array, b: Int32Array, size: number, assignment: number): void {
  for (let i = 0; i < size; i++) {
    const [x, y] = [a[i]!, b[i]!];
    if (assignment === 8) b[i] = x - y;
    else if (assignment === 9) a[i] = x + y;
    else {
      const middle = (x << 1) | (y & 1); // the bit that halving dropped is the side's
      a[i] = (middle + y) >> 1;
      b[i] = (middle - y) >> 1;
    }
  }
}
