/** MPEG audio headers (ISO 11172-3, 13818-3), read to tell what a decoder is going to meet. */
import { latin1, viewOf } from './bytes.ts';

export interface MpegInfo {
  readonly sampleRate: number;
  readonly channels: 1 | 2;
  readonly layer: number;
  /** Frames of sound that the encoder states (Xing, Info or LAME tag), encoder delay and padding taken off. */
  readonly statedFrames: number | undefined;
}

const rates = [44100, 48000, 32000];
/** kbit/s by [version 1, layer 1], [1, 2], [1, 3], [2, layer 1], [2, layers 2 and 3]. */
const bitrates = [
  [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
  [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
  [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

interface Frame {
  readonly isVersion1: boolean;
  readonly layer: number;
  readonly sampleRate: number;
  readonly isMono: boolean;
  readonly samples: number;
  readonly bytes: number;
}

function frameAt(bytes: Uint8Array, at: number): Frame | undefined {
  const [b0, b1, b2, b3] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  if (b0 !== 0xff || b1 === undefined || b2 === undefined || b3 === undefined || b1 < 0xe0) return undefined;
  const version = (b1 >> 3) & 3; // 3 is MPEG-1, 2 is MPEG-2, 0 is MPEG-2.5
  const layer = 4 - ((b1 >> 1) & 3);
  const rateIndex = (b2 >> 2) & 3;
  const bitrateIndex = b2 >> 4;
  if (version === 1 || layer === 4 || rateIndex === 3 || bitrateIndex === 15 || bitrateIndex === 0) return undefined;
  const isVersion1 = version === 3;
  const sampleRate = rates[rateIndex]! / (isVersion1 ? 1 : version === 2 ? 2 : 4);
  const table = isVersion1 ? layer - 1 : layer === 1 ? 3 : 4;
  const bitrate = bitrates[table]![bitrateIndex]! * 1000;
  const padding = (b2 >> 1) & 1;
  const samples = layer === 1 ? 384 : layer === 3 && !isVersion1 ? 576 : 1152;
  const length =
    layer === 1
      ? (Math.floor((12 * bitrate) / sampleRate) + padding) * 4
      : Math.floor(((samples / 8) * bitrate) / sampleRate) + padding;
  return { isVersion1, layer, sampleRate, isMono: b3 >> 6 === 3, samples, bytes: length };
}

/** Bytes of an ID3v2 tag at the start, 0 when there is none. */
export function id3v2Bytes(bytes: Uint8Array): number {
  if (bytes.length < 10 || latin1(bytes, 0, 3) !== 'ID3') return 0;
  const size = [6, 7, 8, 9].reduce((sum, i) => sum * 128 + (bytes[i]! & 127), 0);
  return 10 + size + (bytes[5]! & 16 ? 10 : 0);
}

/** What the first frame says, or undefined unless two frames in a row start within 64 KiB after an ID3v2 tag. */
export function mpegInfo(bytes: Uint8Array): MpegInfo | undefined {
  const start = id3v2Bytes(bytes);
  for (let at = start; at + 4 <= bytes.length && at < start + 65536; at++) {
    const frame = frameAt(bytes, at);
    if (!frame) continue;
    const next = at + frame.bytes;
    if (next < bytes.length && frameAt(bytes, next)?.sampleRate !== frame.sampleRate) continue;
    const { sampleRate, layer } = frame;
    return { sampleRate, channels: frame.isMono ? 1 : 2, layer, statedFrames: statedFrames(bytes, at, frame) };
  }
  return undefined;
}

/** The Xing or Info tag of a variable or constant bitrate file lies where the first frame's samples would be. */
function statedFrames(bytes: Uint8Array, at: number, frame: Frame): number | undefined {
  const tag = at + 4 + (frame.isVersion1 ? (frame.isMono ? 17 : 32) : frame.isMono ? 9 : 17);
  if (frame.layer !== 3 || tag + 8 > bytes.length || !['Xing', 'Info'].includes(latin1(bytes, tag, tag + 4)))
    return undefined;
  const view = viewOf(bytes);
  const flags = view.getUint32(tag + 4);
  if (!(flags & 1) || tag + 12 > bytes.length) return undefined;
  const frames = view.getUint32(tag + 8) * frame.samples;
  const lame = tag + 12 + (flags & 2 ? 4 : 0) + (flags & 4 ? 100 : 0) + (flags & 8 ? 4 : 0);
  if (lame + 24 > bytes.length || !/^(LAME|Lav[cf])/.test(latin1(bytes, lame, lame + 4))) return frames;
  const [a, b, c] = [bytes[lame + 21]!, bytes[lame + 22]!, bytes[lame + 23]!];
  return Math.max(0, frames - ((a << 4) | (b >> 4)) - (((b & 15) << 8) | c));
}
