/**
 * Ogg pages (RFC 3533), walked before a decoder sees them: checksums, order and end are checked, and what the stream can
 * decode to is bounded. The packets themselves are left to the decoder.
 */
import { DataError } from '@unlabel/core';
import { latin1, viewOf } from './bytes.ts';

export interface OggStream {
  /** First packet of the stream, which names the codec. At most 255 bytes of it. */
  readonly head: Uint8Array;
  readonly packets: number;
  /** Granule position of the last page that ends a packet: for Vorbis, frames in all. */
  readonly granule: number;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, i) => {
  let r = i << 24;
  for (let k = 0; k < 8; k++) r = r & 0x80000000 ? (r << 1) ^ 0x04c11db7 : r << 1;
  return r >>> 0;
});

function pageCrc(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0;
  for (let i = start; i < end; i++) {
    const byte = i >= start + 22 && i < start + 26 ? 0 : bytes[i]!; // the checksum's own place counts as zeros
    crc = (crc << 8) ^ crcTable[((crc >>> 24) ^ byte) & 255]!;
  }
  return crc >>> 0;
}

/**
 * Walks a file of one logical stream.
 * @throws DataError for damaged, missing or foreign pages, several streams in one file, or a file cut short
 */
export function scanOgg(bytes: Uint8Array, name: string): OggStream {
  const fault = (what: string): DataError => new DataError(`${name}: ${what}`);
  const view = viewOf(bytes);
  let head: Uint8Array | undefined;
  let packets = 0;
  let granule = 0;
  let serial = 0;
  let sequence = 0;
  let hasEnded = false;
  for (let at = 0; at < bytes.length && !hasEnded; sequence++) {
    if (at + 27 > bytes.length) throw fault('the Ogg stream is cut short');
    if (latin1(bytes, at, at + 4) !== 'OggS' || bytes[at + 4] !== 0)
      throw fault(`byte ${at} does not start an Ogg page`);
    const segments = bytes[at + 26]!;
    const body = at + 27 + segments;
    let end = body;
    for (let i = at + 27; i < body && i < bytes.length; i++) {
      end += bytes[i]!;
      if (bytes[i]! < 255) packets++;
    }
    if (body > bytes.length || end > bytes.length) throw fault('the Ogg stream is cut short');
    if (pageCrc(bytes, at, end) !== view.getUint32(at + 22, true)) throw fault(`the Ogg page at byte ${at} is damaged`);
    if (!head) {
      head = bytes.subarray(body, Math.min(end, body + bytes[at + 27]!));
      serial = view.getUint32(at + 14, true);
      sequence = view.getUint32(at + 18, true);
    } else if (serial !== view.getUint32(at + 14, true)) {
      throw fault('it has several Ogg streams in one file, of which none is chosen. Split it');
    } else if (sequence !== view.getUint32(at + 18, true)) {
      throw fault(`Ogg page ${sequence} is missing before byte ${at}`);
    }
    const position = view.getBigInt64(at + 6, true);
    if (position >= 0n) granule = Number(position); // −1 on pages where no packet ends
    hasEnded = (bytes[at + 5]! & 4) !== 0;
    at = end;
  }
  if (!head || !hasEnded) throw fault('the Ogg stream is cut short: its last page is missing');
  return { head, packets, granule };
}

/**
 * Rate, channels and an upper bound of frames of a Vorbis stream (Vorbis I, section 4.2.2).
 * @throws DataError when the stream is of another codec or its identification header cannot be
 */
export function vorbisInfo(
  stream: OggStream,
  name: string,
): { sampleRate: number; channels: number; maxFrames: number } {
  const { head } = stream;
  if (head.length < 30 || latin1(head, 0, 7) !== '\x01vorbis') {
    const isOpus = head.length >= 8 && latin1(head, 0, 8) === 'OpusHead';
    throw new DataError(`${name}: expected Vorbis in an Ogg file, found ${isOpus ? 'Opus' : 'another codec'}`);
  }
  const view = viewOf(head);
  const channels = head[11]!;
  const sampleRate = view.getUint32(12, true);
  const [short, long] = [head[28]! & 15, head[28]! >> 4];
  if (channels < 1 || sampleRate < 1 || sampleRate > 16_000_000 || short < 6 || long > 13 || short > long) {
    throw new DataError(`${name}: its Vorbis header cannot be (${channels} channels, ${sampleRate} Hz)`);
  }
  return { sampleRate, channels, maxFrames: stream.packets * 2 ** (long - 1) };
}
