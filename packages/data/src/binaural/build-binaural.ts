/**
 * Writes the generated binaural scenes: `<out>/binaural/scenes/` with `card.json`, `NOTICE`, an index a split (`train.jsonl`, `valid.jsonl`,
 * `test.jsonl`), and of each scene `<split>/0000.wav` (both ears, 16 bits), `<split>/0000.npy` (pictures [T, H, W, 3], bytes) and
 * `turned/<split>/0000.wav` (the second pair of ears). Built in a temporary folder and renamed when complete; the same bytes on every run.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { resample } from '@unlabel/audio';
import { ConfigError, createRng, isUnlabelError, unknownName } from '@unlabel/core';
import { encodeNpy, encodeWav, sha256 } from '@unlabel/formats';
import { removeAbandoned } from '../abandoned.ts';
import { requirePackages } from '../packages.ts';
import { readMarker, writeMarker, type BuildOptions, type BuiltPart } from '../parts.ts';
import { renderRecording, sampleRate as recordingRate } from '../render.ts';
import { notice, treeHash } from '../task-files.ts';
import { toneJsInstrument } from '../suite/tonejs-instrument.ts';
import type { Recording } from '../task-plan.ts';
import { differenceFrom } from '../verify-suite.ts';
import {
  sceneClasses,
  scenePackages,
  sceneSources,
  sceneSplits,
  type SceneSource,
  type SceneSplit,
} from './recordings.ts';
import { renderScene, sceneCard, scenesId, turnedBy, type Scene } from './scenes.ts';

/** Raised when the same packages give other bytes: scenes of another builder are built again. */
const builder = 2;
const temporaryPrefix = '.building-';

/** Scenes of each split. */
export const sceneCounts: Readonly<Record<SceneSplit, number>> = { train: 320, valid: 80, test: 80 };
const options = { sampleRate: 8000, seconds: 5, speed: 40, frameRate: 5, size: [16, 32] } as const;
/** Of each recording, what grains are taken from. */
const recordingSeconds = 2;

/** One line of an index. */
export interface SceneLine {
  /** Relative to the index, as are `frames` and `turned`. */
  readonly file: string;
  readonly frames: string;
  readonly turned: string;
  readonly labels: readonly string[];
  readonly recording: string;
  /** The tasks that have the recording, with its labels there. */
  readonly saw_unlabelled: Readonly<Record<string, readonly string[]>>;
  /** Degrees of the source in each picture. */
  readonly azimuths: readonly number[];
}

/**
 * @param counts scenes of each split, for tests
 * @returns what became of the scenes; `failed` where packages are missing, with the command that brings them
 */
export async function buildBinaural(
  { out, only, onProgress, packagesFrom }: Omit<BuildOptions, 'suite' | 'threads'>,
  counts: Readonly<Record<SceneSplit, number>> = sceneCounts,
): Promise<BuiltPart[]> {
  for (const id of only ?? []) if (id !== scenesId) throw new ConfigError(unknownName('task', id, [scenesId]));
  const root = join(out, 'binaural');
  const dir = join(root, 'scenes');
  mkdirSync(root, { recursive: true });
  removeAbandoned(root, temporaryPrefix);
  const kept = readMarker(scenesId, dir, builder);
  if (kept) return [kept];
  const temporary = join(root, `${temporaryPrefix}${process.pid}`);
  const files = new Map<string, string>();
  const write = (path: string, content: string | Uint8Array): void => {
    writeFileSync(join(temporary, path), content);
    files.set(path, sha256(content));
  };
  try {
    const folders = requirePackages(scenePackages, packagesFrom);
    for (const split of sceneSplits) mkdirSync(join(temporary, 'turned', split), { recursive: true });
    for (const split of sceneSplits) mkdirSync(join(temporary, split), { recursive: true });
    const total = sceneSplits.reduce((sum, split) => sum + counts[split], 0);
    const decoded = new Map<string, Promise<Float32Array>>(); // a note is in several scenes
    const decode = ({ recording }: SceneSource): Promise<Float32Array> => {
      const held = decoded.get(recording.id) ?? monoOf(recording);
      decoded.set(recording.id, held);
      return held;
    };
    let done = 0;
    for (const split of sceneSplits) {
      const lines: SceneLine[] = [];
      for (const [i, source] of sceneSources(folders, split, counts[split]).entries()) {
        const name = `${split}/${String(i).padStart(4, '0')}`;
        const rng = createRng(0).fork('scene').fork(split).fork(i);
        const scene = renderScene(await decode(source), source.kind / sceneClasses.length, rng, options);
        lines.push(writeScene(name, scene, source, write));
        onProgress?.({ phase: 'compose', done: ++done, total });
      }
      write(`${split}.jsonl`, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    }
    const card = { ...sceneCard, classes: sceneClasses, scenes: counts, turnedBy, ...options };
    write('card.json', `${JSON.stringify(card, null, 2)}\n`);
    write('NOTICE', notice(sceneCard.title, scenePackages, `${sceneCard.what} ${sceneCard.rendering}`, folders));
    const hash = treeHash(files);
    writeMarker(temporary, { builder, id: scenesId, hash, clips: total });
    rmSync(dir, { recursive: true, force: true });
    renameSync(temporary, dir);
    return [{ id: scenesId, dir, state: 'built', hash, clips: total, ...differenceFrom(scenesId, hash) }];
  } catch (error) {
    if (!isUnlabelError(error)) throw error;
    return [{ id: scenesId, dir, state: 'failed', fault: error.message }];
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

async function monoOf(recording: Recording): Promise<Float32Array> {
  return resample(await renderRecording(recording, recordingSeconds), recordingRate, options.sampleRate);
}

function writeScene(
  name: string,
  { audio, turned, frames, azimuths }: Scene,
  { recording, labels, kind }: SceneSource,
  write: (path: string, content: Uint8Array) => void,
): SceneLine {
  const wav = ({ data }: Scene['audio']): Uint8Array =>
    encodeWav({
      sampleRate: options.sampleRate,
      channels: [data.subarray(0, data.length / 2), data.subarray(data.length / 2)],
    });
  write(`${name}.wav`, wav(audio));
  write(`turned/${name}.wav`, wav(turned));
  const bytes = Uint8Array.from(frames.data, (value) => Math.round(255 * value));
  write(`${name}.npy`, encodeNpy({ data: bytes, shape: frames.shape }));
  return {
    file: `${name}.wav`,
    frames: `${name}.npy`,
    turned: `turned/${name}.wav`,
    labels: [sceneClasses[kind]!],
    recording: recording.id,
    saw_unlabelled: { [toneJsInstrument.id]: labels },
    azimuths: Array.from(azimuths, (phi) => Math.round((phi * 1800) / Math.PI) / 10),
  };
}
