/** Windows of scenes as the downstream tasks need them: what the network hears, what is seen, what the turned ears hear differently. */
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { stft } from '@unlabel/audio';
import { loudnessFactor, windowOf, type SharedConfig } from '@unlabel/binaural';
import { DataError, unknownName, type NdArray } from '@unlabel/core';
import { decodeNpy, readJson } from '@unlabel/formats';
import { loadChannels, loadFrames } from '../pretrain/scene-source.ts';

/** Windows of each scene, evenly from its beginning to its end. */
export const windowsPerScene = 3;

export interface SceneWindows {
  readonly count: number;
  /** Log power [n, 2, F, T] */
  readonly spectra: NdArray;
  /** Index of the scene, and of its class, of each window. */
  readonly scenes: readonly number[];
  readonly kinds: readonly number[];
  /** Class of every second pixel at the middle of the window [n, H, W]: 0 nothing, 1 … the classes. */
  readonly pixels: NdArray;
  /** Spectra of both ears [n, 4, T′, F]: real and imaginary part of the left, then of the right; and of what the turned ears hear less. */
  readonly heard: NdArray;
  readonly difference: NdArray;
}

/** Frames of the complex spectra overlap by half, so that they can be inverted. */
export const complexOptions = ({ nFft, winLength }: SharedConfig) => ({ nFft, winLength, hopLength: Math.floor(winLength / 2) }); // prettier-ignore

/** A pixel of a disc has a channel above this. */
const visible = 0.25;

const lineSchema = z.looseObject({ file: z.string(), frames: z.string(), turned: z.string(), labels: z.array(z.string()).length(1), masks: z.string().optional() }); // prettier-ignore
const cardSchema = z.looseObject({ classes: z.array(z.string()).min(1) });

/** Classes of a built set of scenes, from its card. */
export async function classesOf(dir: string): Promise<readonly string[]> {
  const parsed = cardSchema.safeParse(await readJson(join(dir, 'card.json')).catch(() => undefined));
  if (parsed.success) return parsed.data.classes;
  throw new DataError(
    `${dir}: expected generated scenes with a card.json; build them with: npx unlabel data build binaural`,
  );
}

/** @throws DataError for an index line without pictures, turned ears or class, or files that do not fit together */
export async function readWindows(dir: string, split: string, config: SharedConfig): Promise<SceneWindows> {
  const classes = await classesOf(dir);
  const index = resolve(dir, `${split}.jsonl`);
  const text = await readFile(index, 'utf8').catch(() => {
    throw new DataError(`${index}: there is no such index of scenes.`);
  });
  const rows: Row[] = [];
  for (const [i, line] of text.trim().split('\n').entries()) {
    const parsed = lineSchema.safeParse(JSON.parse(line));
    if (!parsed.success)
      throw new DataError(
        `${index}:${i + 1}: expected file, frames, turned and one label (OmniAudio has labels where its label maps were imported).`,
      );
    const { file, frames, turned, labels, masks } = parsed.data;
    const kind = classes.indexOf(labels[0]!);
    if (kind < 0) throw new DataError(`${index}:${i + 1}: ${unknownName('class', labels[0]!, classes)}`);
    const at = (path: string): string => join(dirname(index), path);
    const format = { sampleRate: config.sampleRate, channels: 2 };
    const [audio, other, pictures] = await Promise.all([loadChannels(at(file), format), loadChannels(at(turned), format), loadFrames(at(frames))]); // prettier-ignore
    if (other.data.length !== audio.data.length)
      throw new DataError(`${at(turned)}: it is not as long as ${at(file)}.`);
    const seen = masks === undefined ? discClasses(pictures, kind) : await loadClasses(at(masks), pictures);
    rows.push(...windowsOf({ scene: i, kind, audio, other, seen }, config));
  }
  return {
    count: rows.length,
    spectra: stacked(rows.map((row) => row.spectrum)),
    scenes: rows.map((row) => row.scene),
    kinds: rows.map((row) => row.kind),
    pixels: stacked(rows.map((row) => row.pixels)),
    heard: stacked(rows.map((row) => row.heard)),
    difference: stacked(rows.map((row) => row.difference)),
  };
}

interface Scene {
  readonly scene: number;
  readonly kind: number;
  readonly audio: NdArray;
  readonly other: NdArray;
  /** Class of each pixel of each picture [T, H, W]. */
  readonly seen: NdArray;
}

interface Row extends Pick<Scene, 'scene' | 'kind'> {
  readonly spectrum: NdArray;
  readonly pixels: NdArray;
  readonly heard: NdArray;
  readonly difference: NdArray;
}

function windowsOf({ scene, kind, audio, other, seen }: Scene, config: SharedConfig): Row[] {
  const length = Math.round(config.seconds * config.sampleRate);
  const size = audio.shape[1]!;
  if (size < length) throw new DataError(`scene ${scene}: it has ${size} samples, and a window ${length}.`);
  return Array.from({ length: windowsPerScene }, (_, k) => {
    const start = Math.round((k / (windowsPerScene - 1)) * (size - length));
    const earsOf = ({ data }: NdArray): Float32Array[] => [0, 1].map((ear) => data.slice(ear * size + start, ear * size + start + length)); // prettier-ignore
    const [ears, turned] = [earsOf(audio), earsOf(other)];
    const scale = loudnessFactor(ears);
    const spectrumOf = (signals: readonly Float32Array[]): NdArray =>
      stacked(signals.flatMap((signal) => planesOf(stft(signal.map((value) => scale * value), complexOptions(config))))); // prettier-ignore
    return {
      scene,
      kind,
      spectrum: windowOf(audio, start, config),
      pixels: pixelsOf(seen, (start + length / 2) / size),
      heard: spectrumOf(ears),
      difference: spectrumOf(ears.map((ear, e) => ear.map((value, i) => value - turned[e]![i]!))),
    };
  });
}

/** Generated pictures are black but for the disc of the scene's class. */
function discClasses({ data, shape }: NdArray, kind: number): NdArray {
  const [count, height, width] = shape as [number, number, number];
  const classes = Float32Array.from({ length: count * height * width }, (_, i) =>
    Math.max(data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!) > visible ? kind + 1 : 0,
  );
  return { data: classes, shape: [count, height, width] };
}

/** Classes a data set brings along, a byte a pixel. */
async function loadClasses(path: string, pictures: NdArray): Promise<NdArray> {
  const { data, shape } = decodeNpy(await readFile(path), path);
  const wanted = pictures.shape.slice(0, 3);
  if (!(data instanceof Uint8Array) || String(shape) !== String(wanted))
    throw new DataError(`${path}: expected classes as bytes [${wanted.join(', ')}], found ${data.constructor.name} [${shape.join(', ')}].`); // prettier-ignore
  return { data: Float32Array.from(data), shape };
}

/** The picture at `place`, every second pixel either way, as the published code takes them [H/2, W/2]. */
function pixelsOf({ data, shape }: NdArray, place: number): NdArray {
  const [count, height, width] = shape as [number, number, number];
  const from = Math.min(count - 1, Math.floor(place * count)) * height * width;
  const [rows, columns] = [Math.ceil(height / 2), Math.ceil(width / 2)];
  const at = (i: number): number => from + 2 * Math.floor(i / columns) * width + 2 * (i % columns);
  return { data: Float32Array.from({ length: rows * columns }, (_, i) => data[at(i)]!), shape: [rows, columns] };
}

/** Spectrum [F, T, 2] → its real and its imaginary part [T, F]. */
function planesOf({ data, shape }: NdArray): NdArray[] {
  const [bins, frames] = shape as [number, number];
  return [0, 1].map((part) => {
    const plane = new Float32Array(bins * frames);
    for (let f = 0; f < bins; f++)
      for (let t = 0; t < frames; t++) plane[t * bins + f] = data[2 * (f * frames + t) + part]!;
    return { data: plane, shape: [frames, bins] };
  });
}

function stacked(rows: readonly NdArray[]): NdArray {
  const [{ shape, data: first }] = rows as [NdArray];
  const data = new Float32Array(rows.length * first.length);
  rows.forEach((row, i) => data.set(row.data, i * first.length));
  return { data, shape: [rows.length, ...shape] };
}
