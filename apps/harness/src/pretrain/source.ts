/**
 * From a position of training to the input a method's views get: decode, resample, crop, front-end, normalise. Runs in worker
 * threads. With `crop: 'spectrogram'` the front-end's output of every item is read from the cache instead.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { createFrontEnd, frontEndSchema, loadAudio, varispeed, type FrontEnd } from '@unlabel/audio';
import {
  ConfigError,
  DataError,
  parseConfig,
  unknownName,
  type InputSpec,
  type NdArray,
  type Rng,
  type Sample,
} from '@unlabel/core';
import { createImageSource, imageInputOf } from './image-source.ts';
import { labelsOf, type Item } from './items.ts';
import { createSceneSource } from './scene-source.ts';

/** Where an item's front-end output lies in the cache: frames are contiguous, `bands` values each. */
export interface CacheEntry {
  readonly file: string;
  readonly offset: number;
  /** Of an image: its rows. */
  readonly frames: number;
  /** Of an image: bytes of RGB instead of floats. */
  readonly columns?: number;
}

export interface Normalization {
  readonly mean: number;
  readonly std: number;
}

export interface SourceOptions {
  readonly items: readonly Item[];
  readonly input: InputSpec;
  readonly normalization: Normalization | undefined;
  /** One entry an item when the input is cropped after the front-end. */
  readonly cache?: readonly CacheEntry[] | undefined;
}

export interface Source {
  /** The input of one item under `rng`'s crop. */
  sample(item: number, rng: Rng): Promise<Sample>;
  close(): void;
}

export function frontEndOf(input: InputSpec): FrontEnd | undefined {
  return input.frontEnd ? createFrontEnd(parseConfig(frontEndSchema, input.frontEnd, 'input.frontEnd')) : undefined;
}

/** Samples of one crop at the input's rate. */
export function cropSamples(input: InputSpec): number | undefined {
  if (input.seconds === undefined) return undefined;
  return Math.round(input.seconds * rateOf(input));
}

export function rateOf(input: Pick<InputSpec, 'sampleRate'>): number {
  if (input.sampleRate === undefined) throw new ConfigError('input.sampleRate: audio methods must state it in Hz.');
  return input.sampleRate;
}

/** An item's audio at `sampleRate`, at the speed that the item is played at. */
export async function loadItem({ path, semitones = 0 }: Item, sampleRate: number): Promise<Float32Array> {
  const { audio } = await loadAudio(path, { sampleRate });
  return varispeed(audio, semitones);
}

/** Zeros up to `length`: on both sides, the odd one to the right, or all at the end. Longer audio is returned as it is. */
export function padTo(audio: Float32Array, length: number, padding: InputSpec['padding'] = 'center'): Float32Array {
  if (audio.length >= length) return audio;
  const padded = new Float32Array(length);
  padded.set(audio, padding === 'end' ? 0 : Math.floor((length - audio.length) / 2));
  return padded;
}

/** The samples of a method that trains with labels have them besides. */
export function createSource(options: SourceOptions): Source {
  const { items, input } = options;
  const source = createInputSource(options);
  if (!input.labels) return source;
  const vocabulary = new Map(input.labels.map((label, i) => [label, i]));
  return {
    ...source,
    async sample(item, rng) {
      const labels = multiHot(items[item]!, vocabulary);
      return { ...(await source.sample(item, rng)), labels };
    },
  };
}

function multiHot(item: Item, vocabulary: ReadonlyMap<string, number>): NdArray {
  const data = new Float32Array(vocabulary.size);
  for (const label of labelsOf(item)) {
    const at = vocabulary.get(label);
    if (at === undefined) throw new DataError(`${item.path}: ${unknownName('label', label, [...vocabulary.keys()])}`);
    data[at] = 1;
  }
  return { data, shape: [data.length] };
}

function createInputSource({ items, input, normalization, cache }: SourceOptions): Source {
  const image = imageInputOf(input);
  if (image) return createImageSource(items, image, cache);
  if (input.modality === 'audio-visual')
    return createSceneSource(items, { sampleRate: rateOf(input), channels: input.channels ?? 1 });
  const frontEnd = frontEndOf(input);
  const wanted = cropSamples(input);
  const rate = rateOf(input);
  const files = new Map<string, number>();

  const fromWaveform = (audio: Float32Array, rng: Rng): NdArray => {
    if (wanted === undefined) return arrayOf(audio, frontEnd);
    const start = audio.length > wanted ? rng.int(audio.length - wanted + 1) : 0;
    return arrayOf(padTo(audio.subarray(start, start + wanted), wanted, input.padding), frontEnd);
  };

  const fromCache = (entry: CacheEntry, rng: Rng): NdArray => {
    const bands = frontEnd!.bands;
    const frames = wanted === undefined ? entry.frames : Math.min(entry.frames, frontEnd!.framesOf(wanted));
    const start = rng.int(entry.frames - frames + 1);
    let file = files.get(entry.file);
    if (file === undefined) files.set(entry.file, (file = openSync(entry.file, 'r')));
    const rows = new Float32Array(frames * bands);
    const bytes = readSync(file, rows, 0, rows.byteLength, entry.offset + start * bands * 4);
    if (bytes !== rows.byteLength)
      throw new ConfigError(`${entry.file}: cache is shorter than its index; delete it and run again.`);
    const data = new Float32Array(bands * frames);
    for (let t = 0; t < frames; t++) for (let f = 0; f < bands; f++) data[f * frames + t] = rows[t * bands + f]!;
    return { data, shape: [bands, frames] };
  };

  return {
    async sample(item, rng) {
      const entry = cache?.[item];
      const audio = entry ? undefined : await loadItem(items[item]!, rate);
      const sample: Record<string, NdArray> = {};
      for (let crop = 1; crop <= (input.crops ?? 1); crop++) {
        const draws = crop === 1 ? rng : rng.fork(crop);
        const array = entry ? fromCache(entry, draws) : fromWaveform(audio!, draws);
        if (normalization) normalize(array.data, normalization);
        sample[`${frontEnd ? 'logMel' : 'audio'}${crop === 1 ? '' : crop}`] = array;
      }
      return sample;
    },
    close() {
      for (const file of files.values()) closeSync(file);
      files.clear();
    },
  };
}

function arrayOf(audio: Float32Array, frontEnd: FrontEnd | undefined): NdArray {
  return frontEnd ? frontEnd.apply(audio) : { data: audio, shape: [1, audio.length] };
}

function normalize(data: Float32Array, { mean, std }: Normalization): void {
  for (let i = 0; i < data.length; i++) data[i] = (data[i]! - mean) / std;
}
