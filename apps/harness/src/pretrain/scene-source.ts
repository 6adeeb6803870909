/** Scenes as `Sample.audio` [C, N] and `Sample.frames` [T, H, W, 3] of 0…1 over the same time, whole: views choose their windows. */
import { readFile } from 'node:fs/promises';
import { resample } from '@unlabel/audio';
import { DataError, type NdArray, type Sample } from '@unlabel/core';
import { decodeAudioFile, decodeNpy } from '@unlabel/formats';
import type { Item } from './items.ts';
import type { Source } from './source.ts';

export interface SceneFormat {
  /** Hz to resample to. */
  readonly sampleRate: number;
  /** The first so many are kept. */
  readonly channels: number;
}

/** Bytes of decoded scenes a thread keeps: steps and later stages come back to the same few hundred, and decoding takes longer than a view. */
const keptBytes = 192 * 2 ** 20;
const kept = new Map<string, Promise<Sample>>();
let bytes = 0;

/** Samples are shared between calls: views read them. A file that changes while the thread lives is not read again. */
export function createSceneSource(items: readonly Item[], format: SceneFormat): Source {
  return {
    sample(item) {
      const { path, frames } = items[item]!;
      const key = `${path}\0${frames}\0${format.sampleRate}\0${format.channels}`;
      const held = kept.get(key);
      if (held) return held;
      const scene = loadScene(items[item]!, format);
      return scene.then((sample) => {
        const size = sizeInBytes(sample);
        if (!kept.has(key) && bytes + size <= keptBytes) {
          kept.set(key, scene);
          bytes += size;
        }
        return sample;
      });
    },
    close: () => {},
  };
}

const sizeInBytes = (sample: Sample): number =>
  Object.values(sample).reduce((sum, { data }) => sum + data.byteLength, 0);

/** @throws DataError for a file with fewer channels than asked for, or pictures of another shape, naming it */
export async function loadScene(
  { path, frames: pictures }: Pick<Item, 'path' | 'frames'>,
  format: SceneFormat,
): Promise<Sample> {
  if (pictures === undefined) throw new DataError(`${path}: its pictures are not named.`);
  const [audio, frames] = await Promise.all([loadChannels(path, format), loadFrames(pictures)]);
  return { audio, frames };
}

/** Channels of a file at a rate [C, N]. */
export async function loadChannels(path: string, format: SceneFormat): Promise<NdArray> {
  const wanted = format.channels;
  const { channels, sampleRate } = await decodeAudioFile(path);
  if (channels.length < wanted) throw new DataError(`${path}: expected ${wanted} channels, found ${channels.length}.`);
  const rows = channels.slice(0, wanted).map((channel) => resample(channel, sampleRate, format.sampleRate));
  const size = rows[0]!.length;
  const data = new Float32Array(wanted * size);
  rows.forEach((row, i) => data.set(row, i * size));
  return { data, shape: [wanted, size] };
}

/** Pictures of a .npy file: bytes [T, H, W, 3], as 0…1. */
export async function loadFrames(path: string): Promise<NdArray> {
  const { data, shape } = decodeNpy(await readFile(path), path);
  if (!(data instanceof Uint8Array) || shape.length !== 4 || shape[3] !== 3 || data.length === 0)
    throw new DataError(
      `${path}: expected pictures as bytes [T, H, W, 3], found ${data.constructor.name} [${shape.join(', ')}].`,
    );
  const values = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) values[i] = data[i]! / 255;
  return { data: values, shape };
}
