/**
 * Image files of the common kinds to 8-bit RGB, through sharp (libvips). Pixels are those of Pillow's
 * `Image.open(f).convert('RGB')`, on which published pipelines stand: colour profiles are ignored, alpha is dropped, grey is
 * repeated, CMYK is multiplied out. Two differences: 16 bits become their upper 8, where Pillow clips grey ones; and the EXIF
 * orientation is applied unless told otherwise.
 */
import { open as openFile, readFile, stat } from 'node:fs/promises';
import { DataError, DeviceError, messageOf } from '@unlabel/core';
import type { Sharp } from 'sharp';
import { decodeBmp, isBmp, readBmpHeader } from './bmp.ts';
import { decodePnm, isPnm, readPnmHeader } from './pnm.ts';
import { loadSharp } from './sharp.ts';

/** 8-bit RGB, [height, width, 3] row-major. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface DecodeOptions {
  /**
   * What becomes of the EXIF orientation: `applied` turns the image as viewers and detectron2 do; `ignored` keeps the stored
   * pixels, as torchvision and COCO's annotations do.
   */
  readonly orientation?: 'applied' | 'ignored';
  /** Transparent pixels: their stored colour (`dropped`), or laid over white or black. */
  readonly alpha?: 'dropped' | 'white' | 'black';
  /** Larger images are refused before they are decoded. */
  readonly maxPixels?: number;
}

export interface ImageInfo {
  readonly format: string;
  /** As stored, before any orientation. */
  readonly width: number;
  readonly height: number;
  /** EXIF orientation 1 … 8; 1 when there is none. */
  readonly orientation: number;
  readonly channels: number;
  readonly bits: number;
}

/** Kinds of file that are read; others that libvips could open (PDF, SVG, …) are drawings or slides, not photographs. */
export const imageFormats = ['jpeg', 'png', 'webp', 'gif', 'tiff', 'heif', 'bmp', 'pnm'] as const;
/** File name endings of these kinds, lower case. */
export const imageEndings = '.jpg .jpeg .jpe .png .webp .gif .tif .tiff .avif .bmp .ppm .pgm'.split(' ');

/** Whether a file's name says that it is an image. */
export const isImageName = (name: string): boolean =>
  !name.startsWith('.') && imageEndings.some((ending) => name.toLowerCase().endsWith(ending));

/** 16384². */
const defaultMaxPixels = 2 ** 28;

async function checkSource(source: string | Uint8Array, name: string): Promise<void> {
  if (typeof source !== 'string') {
    if (source.length === 0) throw new DataError(`${name}: is empty`);
    return;
  }
  const entry = await stat(source).catch((cause: unknown) => {
    throw new DataError(`${name}: could not be read (${messageOf(cause)})`, { cause });
  });
  if (!entry.isFile()) throw new DataError(`${name}: is not a file`);
  if (entry.size === 0) throw new DataError(`${name}: is empty`);
}

async function open(source: string | Uint8Array, maxPixels: number): Promise<Sharp> {
  const input = typeof source === 'string' ? source : Buffer.from(source.buffer, source.byteOffset, source.length);
  // 'error' lets pass what libjpeg and libpng warn of, as Pillow does; a file that is cut off fails.
  return (await loadSharp())(input, { failOn: 'error', limitInputPixels: maxPixels, ignoreIcc: true });
}

/** The first bytes, enough for a header of ours. */
async function headOf(source: string | Uint8Array): Promise<Uint8Array> {
  if (typeof source !== 'string') return source.subarray(0, 1024);
  const handle = await openFile(source, 'r');
  try {
    const { buffer, bytesRead } = await handle.read({ buffer: new Uint8Array(1024) });
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/**
 * libvips' words for a file that ends early, in its several loaders. It keeps them in one place for all threads: what another thread took
 * away is an "Unknown error" here, of a file whose kind was recognised.
 */
const cutOff =
  /premature end|truncated|read error|not enough|unexpected end|out of order read|too few bytes|EOF|unknown error/i;

/** Ours as they are; what libvips throws as a fault of the file. */
function faultOf(error: unknown, name: string): Error {
  if (error instanceof DataError || error instanceof DeviceError) return error;
  const message = messageOf(error).replace(/\s+/g, ' ').trim().slice(0, 200);
  if (/unsupported image format/i.test(message))
    return new DataError(`${name}: is not an image of a kind that is read (${imageFormats.join(', ')})`, {
      cause: error,
    });
  if (/exceeds pixel limit/i.test(message))
    return new DataError(`${name}: has too many pixels (${message})`, { cause: error });
  const what = cutOff.test(message) ? 'is damaged or cut off' : 'could not be decoded';
  return new DataError(`${name}: the image ${what} (${message})`, { cause: error });
}

const nameOf = (source: string | Uint8Array): string => (typeof source === 'string' ? source : 'image');

/**
 * What a file says of itself, without its pixels.
 * @throws DataError naming the file when it is missing, empty or no image
 */
export async function readImageInfo(
  source: string | Uint8Array,
  { maxPixels = defaultMaxPixels }: DecodeOptions = {},
  name = nameOf(source),
): Promise<ImageInfo> {
  try {
    await checkSource(source, name);
    const head = await headOf(source);
    if (isBmp(head)) {
      const { width, height, bits } = readBmpHeader(head, name);
      return { format: 'bmp', width, height, orientation: 1, channels: 3, bits: Math.min(bits, 8) };
    }
    if (isPnm(head)) {
      const { width, height, channels, largest } = readPnmHeader(head, name);
      return { format: 'pnm', width, height, orientation: 1, channels, bits: largest > 255 ? 16 : 8 };
    }
    const {
      format,
      width,
      height,
      orientation = 1,
      channels,
      depth,
    } = await (await open(source, maxPixels)).metadata();
    if (!imageFormats.some((known) => known === format)) throw new Error('unsupported image format');
    const bits = depth === 'ushort' || depth === 'short' ? 16 : depth === 'uchar' || depth === 'char' ? 8 : 32;
    return { format, width, height, orientation, channels, bits };
  } catch (error) {
    throw faultOf(error, name);
  }
}

/**
 * A file, or its bytes, as 8-bit RGB. Of an animation or a stack, the first image.
 * @throws DataError naming the file when it is missing, no image, damaged, cut off or too large
 */
export async function decodeImage(
  source: string | Uint8Array,
  options: DecodeOptions = {},
  name = nameOf(source),
): Promise<RgbImage> {
  const { maxPixels = defaultMaxPixels } = options;
  try {
    await checkSource(source, name);
    const head = await headOf(source);
    const decodeOwn = isBmp(head) ? decodeBmp : isPnm(head) ? decodePnm : undefined;
    if (decodeOwn) return decodeOwn(typeof source === 'string' ? await readFile(source) : source, name, maxPixels);
    return await decodeBySharp(await open(source, maxPixels), options);
  } catch (error) {
    throw faultOf(error, name);
  }
}

async function decodeBySharp(
  image: Sharp,
  { orientation = 'applied', alpha = 'dropped' }: DecodeOptions,
): Promise<RgbImage> {
  const { format, space, hasAlpha } = await image.metadata();
  if (!imageFormats.some((known) => known === format)) throw new Error('unsupported image format');
  const isCmyk = space === 'cmyk';
  let plan = orientation === 'applied' ? image.autoOrient() : image;
  if (hasAlpha) plan = alpha === 'dropped' ? plan.removeAlpha() : plan.flatten({ background: alpha });
  plan = isCmyk ? plan.pipelineColourspace('cmyk').toColourspace('cmyk') : plan.toColourspace('srgb');
  const { data, info } = await plan.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
  const { width, height, channels } = info as { width: number; height: number; channels: number };
  if (channels !== (isCmyk ? 4 : 3)) throw new Error(`${channels} channels after decoding`);
  return { width, height, data: isCmyk ? rgbOfCmyk(bytes) : bytes };
}

/** (1 − C)(1 − K) for each of the inks, in Pillow's rounding. */
function rgbOfCmyk(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let i = 0, at = 0; i < cmyk.length; i += 4) {
    const white = 255 - cmyk[i + 3]!;
    for (let c = 0; c < 3; c++) {
      const product = cmyk[i + c]! * white + 128;
      rgb[at++] = white - (((product >> 8) + product) >> 8);
    }
  }
  return rgb;
}
