/**
 * OmniAudio as its authors distribute it, turned into scenes as `buildBinaural` writes them: one WAV of two ears, the second pair of ears,
 * pictures and, where the labels are there, the class of each pixel.
 *
 * Vasudevan, Dai, Van Gool, "Semantic Object Prediction and Spatial Sound Super-Resolution with Binaural Sounds", ECCV 2020; layout after
 * the extraction scripts and the data set class of arunbalajeev/binaural-sound-perception@1c0bb189 (described, not copied).
 *
 *     scene0028/LAB-T028.WAV/LAB-T028_Tr1.WAV …    eight microphones on a ring, 48 kHz
 *     scene0028/split_videoframes/VIDEO_0028_cropped_000000.png    the frame one second into each segment of two seconds, named by its start
 *     scene0028/bg.png                                             the street without what moves
 *     scene0028/binary_semantic_change_masks/000000_mask.png       where something moves (≥ 128)
 *     scene0028/segment_splitframes/pred/000000_mask.png           Cityscapes label ids
 */
import { existsSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, type NdArray } from '@unlabel/core';
import { decodeAudioFile, encodeNpy, encodeWav, readJson, writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import { decodeImage, resizeImage, type RgbImage } from '@unlabel/image';
import { z } from 'zod';

/** Seconds of a segment. */
const segment = 2;
/** Microphones at the ears (channels 0 and 1), and those of the second pair, whose difference from them is predicted. */
const ears = [8, 3] as const;
const turnedEars = [6, 1] as const;
/** Cityscapes' label ids of what is told apart. */
const classIds = { car: 26, train: 31, motorcycle: 32 } as const;
const classes = Object.keys(classIds);
/** Label id → 1 … the classes. */
const kindOf = new Map<number, number>(Object.values(classIds).map((id, i) => [id, i + 1]));
/** Without a mask of what moves: how far a channel must be from the background's, of 255. */
const movingBy = 30;

const splitOf = (scene: number): OmniSplit => (scene < 115 ? 'train' : scene < 140 ? 'valid' : 'test');
type OmniSplit = 'train' | 'valid' | 'test';

export interface OmniAudioOptions {
  /** The folder with the `scene…` folders. */
  readonly from: string;
  readonly out: string;
  /** Height and width the pictures are brought to. */
  readonly size?: readonly [number, number];
  readonly onProgress?: (done: number, total: number, scene: string) => void;
}

export interface ImportedOmniAudio {
  readonly scenes: Readonly<Record<OmniSplit, number>>;
  /** Scenes without the microphones at the ears (1–27 as distributed). */
  readonly skipped: readonly string[];
  readonly hasClasses: boolean;
}

const lineSchema = z.object({
  file: z.string(),
  frames: z.string(),
  turned: z.string(),
  labels: z.array(z.string()),
  recording: z.string(),
  masks: z.string().optional(),
  size: z.tuple([z.number(), z.number()]),
});
type Line = z.output<typeof lineSchema>;

/**
 * Goes on where it stopped: a scene whose line is written is kept.
 * @throws DataError naming the file for scenes without frames, tracks of different rates, gaps among the frames, label maps in colour
 */
export async function importOmniAudio(options: OmniAudioOptions): Promise<ImportedOmniAudio> {
  const { from, out, size = [64, 128], onProgress } = options;
  const names = scenesIn(from);
  const lines: Record<OmniSplit, Line[]> = { train: [], valid: [], test: [] };
  const skipped: string[] = [];
  for (const [i, name] of names.entries()) {
    const split = splitOf(sceneNumber(name)!);
    const line = await keptOrImported(join(from, name), { out, split, name, size });
    if (line) lines[split].push(line);
    else skipped.push(name);
    onProgress?.(i + 1, names.length, name);
  }
  const all = Object.values(lines).flat();
  if (all.length === 0)
    throw new DataError(`${from}: no scene has the tracks ${ears.join(' and ')} (scenes 1–27 lack them).`);
  for (const [split, rows] of Object.entries(lines))
    await writeFileAtomic(join(out, `${split}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const hasClasses = all.every(({ masks }) => masks !== undefined);
  const counts = Object.fromEntries(Object.entries(lines).map(([split, rows]) => [split, rows.length]));
  await writeJsonAtomic(join(out, 'card.json'), { ...omniAudioCard, classes, scenes: counts, size, hasClasses });
  return { scenes: counts as ImportedOmniAudio['scenes'], skipped, hasClasses };
}

const omniAudioCard = {
  title: 'OmniAudio',
  what: `Streets as eight microphones and a camera of 360° hear and see them. Ears: tracks ${ears.join(' and ')}; second pair: ${turnedEars.join(' and ')}. One picture every ${segment} s; what does not move is black.`,
  licence: 'its authors’ (not stated with the data; their code is CC BY-NC 4.0)',
  source: 'https://arxiv.org/abs/2003.04210',
  splits: 'scenes 1–114, 115–139, 140–165, as in the authors’ code',
} as const;

interface Place {
  readonly out: string;
  readonly split: OmniSplit;
  readonly name: string;
  readonly size: readonly [number, number];
}

async function keptOrImported(folder: string, place: Place): Promise<Line | undefined> {
  const { out, split, name, size } = place;
  const done = join(out, split, `${name}.json`);
  const kept = existsSync(done) ? lineSchema.safeParse(await readJson(done).catch(() => undefined)) : undefined;
  if (kept?.success && String(kept.data.size) === String(size)) return kept.data;
  const tracks = tracksIn(folder);
  if (ears.some((track) => !tracks.has(track))) return undefined;
  const missing = turnedEars.find((track) => !tracks.has(track));
  if (missing !== undefined) throw new DataError(`${folder}: expected track ${missing} (…_Tr${missing}.WAV), found ${[...tracks.keys()].join(', ')}.`); // prettier-ignore
  const line = await importScene(folder, tracks, place);
  await writeJsonAtomic(done, line); // last: a scene with this is complete
  return line;
}

async function importScene(
  folder: string,
  tracks: ReadonlyMap<number, string>,
  { out, split, name, size }: Place,
): Promise<Line> {
  const seen = framesIn(folder);
  const heard: Track[] = [];
  for (const track of [...ears, ...turnedEars]) heard.push(await trackOf(tracks.get(track)!));
  const { sampleRate } = heard[0]!;
  const odd = heard.find((track) => track.sampleRate !== sampleRate);
  if (odd) throw new DataError(`${odd.path}: ${odd.sampleRate} Hz, and the track before it ${sampleRate} Hz.`);
  const seconds = Math.min(...heard.map(({ samples }) => samples.length)) / sampleRate;
  const count = Math.min(seen.length, Math.floor(seconds / segment)); // whole segments that are both seen and heard
  if (count === 0) throw new DataError(`${folder}: ${seconds.toFixed(1)} s of sound are no segment of ${segment} s.`);
  const length = count * segment * sampleRate;
  const wav = (pair: readonly Track[]): Uint8Array =>
    encodeWav({ sampleRate, channels: pair.map(({ samples }) => samples.subarray(0, length)) });
  const pictures = await picturesOf(folder, seen.slice(0, count), size);
  const at = (path: string): string => join(out, path);
  await mkdir(at(`turned/${split}`), { recursive: true });
  await mkdir(at(split), { recursive: true });
  const file = `${split}/${name}`;
  await writeFileAtomic(at(`${file}.wav`), wav(heard.slice(0, 2)));
  await writeFileAtomic(at(`turned/${file}.wav`), wav(heard.slice(2)));
  await writeFileAtomic(at(`${file}.npy`), encodeNpy(pictures.frames));
  if (pictures.masks) await writeFileAtomic(at(`${file}.masks.npy`), encodeNpy(pictures.masks));
  return {
    file: `${file}.wav`,
    frames: `${file}.npy`,
    turned: `turned/${file}.wav`,
    labels: pictures.masks ? [mostSeen(pictures.masks)] : [],
    recording: `omniaudio/${name}`,
    ...(pictures.masks && { masks: `${file}.masks.npy` }),
    size: [...size],
  };
}

/** `scene28` and `scene0028` → 28 */
const sceneNumber = (name: string): number | undefined => {
  const found = /^scene0*(\d{1,4})$/.exec(name)?.[1];
  return found === undefined ? undefined : Number(found);
};

function scenesIn(from: string): string[] {
  if (!existsSync(from)) throw new DataError(`${from}: no such folder.`);
  const names = readdirSync(from, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && sceneNumber(entry.name) !== undefined)
    .map(({ name }) => name)
    .sort((a, b) => sceneNumber(a)! - sceneNumber(b)!);
  if (names.length === 0)
    throw new DataError(`${from}: expected folders scene0001 … scene0165 as in OmniAudio’s archive, found none.`);
  return names;
}

/** Track number → file, in the scene's folder or the folder of its recorder (`LAB-T028.WAV/`). */
function tracksIn(folder: string): Map<number, string> {
  const found = new Map<number, string>();
  const visit = (dir: string, depth: number): void => {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      const path = join(dir, entry.name);
      const track = entry.isFile() ? /_Tr([1-8])\.wav$/i.exec(entry.name)?.[1] : undefined;
      if (track !== undefined) found.set(Number(track), path);
      else if (depth > 0 && entry.isDirectory() && /\.wav$/i.test(entry.name)) visit(path, depth - 1);
    }
  };
  visit(folder, 1);
  return new Map([...found].sort(([a], [b]) => a - b));
}

interface Track {
  readonly path: string;
  readonly sampleRate: number;
  readonly samples: Float32Array;
}

async function trackOf(path: string): Promise<Track> {
  const { channels, sampleRate } = await decodeAudioFile(path);
  return { path, sampleRate, samples: channels[0]! };
}

/** The extracted frames in order; the name ends in the second its segment starts at. */
function framesIn(folder: string): string[] {
  const dir = join(folder, 'split_videoframes');
  const names = existsSync(dir) ? readdirSync(dir).filter((name) => /_\d{6}\.png$/.test(name)) : [];
  if (names.length === 0)
    throw new DataError(
      `${dir}: expected frames …_000000.png, …_000002.png, …: the one at second 1, 3, … of the video. Extract them with the authors’ ` +
        `extract_videosegments.py, or with ffmpeg -ss 1 -i VIDEO_0001_cropped.mp4 -r 0.5 and names of even seconds.`,
    );
  return names.sort().map((name, i) => {
    const start = Number(/_(\d{6})\.png$/.exec(name)![1]);
    if (start !== i * segment)
      throw new DataError(`${join(dir, name)}: expected the frame of second ${i * segment} next, found ${start}.`);
    return join(dir, name);
  });
}

interface Pictures {
  /** Bytes [T, H, W, 3]; black where nothing moves. */
  readonly frames: NdArray<Uint8Array>;
  /** [T, H, W]: 0 nothing, 1 … the classes. */
  readonly masks: NdArray<Uint8Array> | undefined;
}

async function picturesOf(
  folder: string,
  files: readonly string[],
  [height, width]: readonly [number, number],
): Promise<Pictures> {
  const moving = await sidesOf(folder, 'binary_semantic_change_masks', files.length);
  const labels = await sidesOf(folder, 'segment_splitframes/pred', files.length);
  const background = join(folder, 'bg.png');
  const street = !moving && existsSync(background) ? await decodeImage(background) : undefined;
  const pixels = height * width;
  const frames = new Uint8Array(files.length * pixels * 3);
  const masks = labels && new Uint8Array(files.length * pixels);
  for (const [t, file] of files.entries()) {
    const picture = resizeImage(await decodeImage(file), width, height, 'bilinear');
    const isMoving = await movingOf(picture, moving?.[t], street);
    picture.data.forEach((value, i) => (frames[t * pixels * 3 + i] = isMoving(Math.floor(i / 3)) ? value : 0));
    if (!labels) continue;
    const ids = await planeOf(labels[t]!, width, height);
    ids.forEach((id, i) => {
      masks![t * pixels + i] = isMoving(i) ? (kindOf.get(id) ?? 0) : 0;
    });
  }
  return {
    frames: { data: frames, shape: [files.length, height, width, 3] },
    masks: masks && { data: masks, shape: [files.length, height, width] },
  };
}

/** Where something moves: by the mask, else by the difference from the background, else everywhere. */
async function movingOf(
  picture: RgbImage,
  mask: string | undefined,
  street: RgbImage | undefined,
): Promise<(pixel: number) => boolean> {
  const { width, height, data } = picture;
  if (mask !== undefined) {
    const plane = await planeOf(mask, width, height);
    return (i) => plane[i]! >= 128;
  }
  if (!street) return () => true;
  const { data: still } = resizeImage(street, width, height, 'bilinear');
  return (i) => [0, 1, 2].some((c) => Math.abs(data[3 * i + c]! - still[3 * i + c]!) > movingBy);
}

/** `000000_mask.png`, … of a folder, one for each frame; undefined where the folder is not there. */
async function sidesOf(folder: string, name: string, count: number): Promise<string[] | undefined> {
  const dir = join(folder, name);
  if (!existsSync(dir)) return undefined;
  return Array.from({ length: count }, (_, t) => {
    const path = join(dir, `${String(t * segment).padStart(6, '0')}_mask.png`);
    if (!existsSync(path)) throw new DataError(`${path}: it is missing, and ${dir} is there.`);
    return path;
  });
}

/** A picture of one channel, its pixels taken from the nearest. */
async function planeOf(path: string, width: number, height: number): Promise<Uint8Array> {
  const { data } = resizeImage(await decodeImage(path), width, height, 'nearest');
  return Uint8Array.from({ length: width * height }, (_, i) => {
    if (data[3 * i] !== data[3 * i + 1] || data[3 * i] !== data[3 * i + 2])
      throw new DataError(`${path}: expected one channel of label ids, found colours.`);
    return data[3 * i]!;
  });
}

/** The class with most pixels; the first where there are none. */
function mostSeen({ data }: NdArray<Uint8Array>): string {
  const counts = classes.map((_, kind) => data.reduce((sum, value) => sum + Number(value === kind + 1), 0));
  return classes[counts.indexOf(Math.max(...counts))]!;
}
