/** Pixels to files: PNG with the same bytes everywhere, JPEG through sharp. */
import { DataError } from '@unlabel/core';
import { crc32 } from 'node:zlib';
import { loadSharp } from './sharp.ts';

/** 8-bit pixels, [height, width, channels] row-major. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** PNG's colour types: grey, RGB, RGBA. */
const colorTypes: Readonly<Record<number, number>> = { 1: 0, 3: 2, 4: 6 };
/** The most that a stored block of deflate holds. */
const blockBytes = 65535;

/**
 * A PNG of grey [h, w, 1], RGB [h, w, 3] or RGBA [h, w, 4] pixels. Nothing is compressed, so that no version of a compressor
 * changes the bytes.
 * @throws DataError for data of another size
 */
export function encodePng({ width, height, data }: Pixels): Uint8Array {
  const channels = data.length / (width * height);
  const colorType = colorTypes[channels];
  if (colorType === undefined)
    throw new DataError(`PNG: ${data.length} bytes are not ${width} × ${height} pixels of 1, 3 or 4 channels`);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, colorType, 0, 0, 0], 8);
  const row = width * channels;
  const raw = new Uint8Array(height * (row + 1)); // each row behind filter 0, "none"
  for (let y = 0; y < height; y++) raw.set(data.subarray(y * row, (y + 1) * row), y * (row + 1) + 1);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', stored(raw)), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}

/** zlib's wrapping of stored blocks. */
function stored(raw: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(0x78, 0x01)];
  for (let at = 0; at < raw.length; at += blockBytes) {
    const part = raw.subarray(at, at + blockBytes);
    const head = Buffer.alloc(5);
    head[0] = at + blockBytes >= raw.length ? 1 : 0;
    head.writeUInt16LE(part.length, 1);
    head.writeUInt16LE(~part.length & 0xffff, 3);
    parts.push(head, part);
  }
  let [a, b] = [1, 0];
  for (const byte of raw) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  const check = Buffer.alloc(4);
  check.writeUInt32BE(((b << 16) | a) >>> 0);
  return Buffer.concat([...parts, check]);
}

/** A JPEG of RGB pixels, without chroma subsampling. `quality` 1 … 100. */
export async function encodeJpeg({ width, height, data }: Pixels, quality: number): Promise<Uint8Array> {
  const open = await loadSharp();
  const image = open(data, { raw: { width, height, channels: 3 } });
  return image.jpeg({ quality, chromaSubsampling: '4:4:4' }).toBuffer();
}
