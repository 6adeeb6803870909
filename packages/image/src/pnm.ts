/** Binary portable maps, P5 (grey) and P6 (RGB), of 8 or 16 bits. */
import { DataError } from '@unlabel/core';
import type { RgbImage } from './decode.ts';

export interface PnmHeader {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly largest: number;
  readonly start: number;
}

export const isPnm = (bytes: Uint8Array): boolean => bytes[0] === 0x50 && (bytes[1] === 0x35 || bytes[1] === 0x36);

/** @throws DataError when the header is damaged */
export function readPnmHeader(bytes: Uint8Array, name: string): PnmHeader {
  const text = String.fromCharCode(...bytes.subarray(0, 1000));
  const gap = String.raw`(?:\s|#[^\n]*\n)+`;
  const header = new RegExp(`^P[56]${gap}(\\d{1,6})${gap}(\\d{1,6})${gap}(\\d{1,5})\\s`).exec(text);
  const [width, height, largest] = [header?.[1], header?.[2], header?.[3]].map(Number) as [number, number, number];
  if (!header || width === 0 || height === 0 || largest === 0 || largest > 65535)
    throw new DataError(`${name}: the portable map has a damaged header`);
  return { width, height, channels: bytes[1] === 0x36 ? 3 : 1, largest, start: header[0].length };
}

/** @throws DataError when the header is damaged or the file ends early */
export function decodePnm(bytes: Uint8Array, name: string, maxPixels: number): RgbImage {
  const { width, height, channels, largest, start } = readPnmHeader(bytes, name);
  if (width * height > maxPixels) throw new DataError(`${name}: has too many pixels (${width} × ${height})`);
  const size = largest > 255 ? 2 : 1;
  if (start + width * height * channels * size > bytes.length)
    throw new DataError(`${name}: the portable map is damaged or cut off`);
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) {
    const at = start + (channels === 3 ? i : Math.floor(i / 3)) * size;
    const value = size === 2 ? 256 * bytes[at]! + bytes[at + 1]! : bytes[at]!;
    data[i] = largest === 65535 ? value >> 8 : Math.min(255, Math.round((value * 255) / largest));
  }
  return { width, height, data };
}
