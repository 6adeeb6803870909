/** Windows bitmaps without compression: 1, 4, 8 bits with a palette, 24 and 32 bits. libvips' npm build has no reader for them. */
import { DataError } from '@unlabel/core';
import type { RgbImage } from './decode.ts';

export interface BmpHeader {
  readonly width: number;
  readonly height: number;
  readonly bits: number;
  readonly isTopDown: boolean;
  readonly paletteStart: number;
  readonly paletteSize: number;
  readonly pixelStart: number;
}

export const isBmp = (bytes: Uint8Array): boolean => bytes[0] === 0x42 && bytes[1] === 0x4d;

/** @throws DataError for a kind that is not read */
export function readBmpHeader(bytes: Uint8Array, name: string): BmpHeader {
  const fault = (what: string): DataError => new DataError(`${name}: the bitmap ${what}`);
  if (bytes.length < 54) throw fault('is damaged or cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const headerSize = view.getUint32(14, true);
  if (headerSize < 40 || headerSize > 124) throw fault(`has a header of ${headerSize} bytes, expected 40 to 124`);
  const [width, rows] = [view.getInt32(18, true), view.getInt32(22, true)];
  const [bits, compression] = [view.getUint16(28, true), view.getUint32(30, true)];
  if (![1, 4, 8, 24, 32].includes(bits)) throw fault(`has ${bits} bits a pixel, expected 1, 4, 8, 24 or 32`);
  if (!(compression === 0 || (compression === 3 && bits === 32 && hasUsualMasks(view, bytes.length))))
    throw fault(`is compressed by method ${compression}, which is not read`);
  if (width <= 0 || rows === 0) throw fault(`is ${width} × ${rows} pixels`);
  const paletteSize = bits > 8 ? 0 : view.getUint32(46, true) || 2 ** bits;
  return {
    width,
    height: Math.abs(rows),
    bits,
    isTopDown: rows < 0,
    paletteStart: 14 + headerSize,
    paletteSize: Math.min(paletteSize, 256),
    pixelStart: view.getUint32(10, true),
  };
}

/** Blue, green, red from the lowest byte on. */
const hasUsualMasks = (view: DataView, length: number): boolean =>
  length >= 66 &&
  view.getUint32(54, true) === 0xff0000 &&
  view.getUint32(58, true) === 0xff00 &&
  view.getUint32(62, true) === 0xff;

/** @throws DataError for a kind that is not read, or a file that ends early */
export function decodeBmp(bytes: Uint8Array, name: string, maxPixels: number): RgbImage {
  const { width, height, bits, isTopDown, paletteStart, paletteSize, pixelStart } = readBmpHeader(bytes, name);
  if (width * height > maxPixels) throw new DataError(`${name}: has too many pixels (${width} × ${height})`);
  const stride = Math.ceil((width * bits) / 32) * 4;
  if (pixelStart + stride * height > bytes.length || paletteStart + 4 * paletteSize > bytes.length)
    throw new DataError(`${name}: the bitmap is damaged or cut off`);
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const row = pixelStart + stride * (isTopDown ? y : height - 1 - y);
    for (let x = 0; x < width; x++) {
      let at = row + (x * bits) / 8;
      if (bits <= 8) {
        const shift = 8 - bits - ((x * bits) % 8);
        const index = (bytes[Math.floor(at)]! >> shift) & (2 ** bits - 1);
        at = paletteStart + 4 * Math.min(index, paletteSize - 1);
      }
      const out = (y * width + x) * 3;
      for (let c = 0; c < 3; c++) data[out + c] = bytes[at + 2 - c]!;
    }
  }
  return { width, height, data };
}
