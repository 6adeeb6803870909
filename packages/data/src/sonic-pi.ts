/** The recordings of `supersonic-scsynth-samples` and the family their names put them in. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, messageOf } from '@unlabel/core';
import { sonicPiPackage } from './packages.ts';
import type { Recording } from './task-plan.ts';

export interface SonicPiRecording extends Recording {
  /** File name without extension: `bd_808`. */
  readonly stem: string;
  readonly family: SonicPiFamily | undefined;
}

export type SonicPiFamily =
  'ambient' | 'bass' | 'electronic' | 'hat-cymbal' | 'kick' | 'loop' | 'perc-fx' | 'snare' | 'tabla-tom';

/** First match wins: drums named inside a bank (`elec_snare`, `drum_tom_hi_hard`) come before the bank's prefix. */
const families: readonly (readonly [pattern: RegExp, family: SonicPiFamily])[] = [
  [/^(bd_|drum_bass_|drum_heavy_kick|elec_(soft|hollow)_kick)/, 'kick'],
  [/^(sn_|drum_snare_|elec_([a-z]+_)?snare)/, 'snare'],
  [/^(hat_|ride_|drum_cymbal_|drum_splash_|elec_cymbal|tbd_perc_hat)/, 'hat-cymbal'],
  [/^(tabla_|drum_tom_|elec_fuzz_tom)/, 'tabla-tom'],
  [/^(bass_|glitch_bass_)/, 'bass'],
  [/^(loop_|arovane_)/, 'loop'],
  [/^(ambi_|tbd_pad_|tbd_fxbed_)/, 'ambient'],
  [/^(perc_|misc_|vinyl_|tbd_perc_)/, 'perc-fx'],
  [/^(elec_|glitch_|mehackit_)/, 'electronic'],
];

/** Takes of one sound (`elec_blip2`, `loop_amen_full`, `drum_tom_hi_soft`): they stay together. */
export const sonicPiGroup = (stem: string): string =>
  stem
    .replace(/_(full|hit_c|c|hard|soft)$/, '')
    .replace(/_?\d+(_[a-z])?$/, '')
    .replace(/(_te|_na)_[a-z]+$/, '$1');

/**
 * The 206 FLAC files in name order (the package's one AIFF repeats a FLAC).
 * @throws DataError when the folder cannot be read
 */
export function sonicPiRecordings(folders: ReadonlyMap<string, string>): SonicPiRecording[] {
  const folder = join(folders.get(sonicPiPackage.name) ?? '', 'samples');
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (cause) {
    throw new DataError(`${folder}: the samples could not be listed (${messageOf(cause)})`, { cause });
  }
  return names
    .filter((name) => name.endsWith('.flac'))
    .sort()
    .map((name) => {
      const stem = name.slice(0, -'.flac'.length);
      const family = families.find(([pattern]) => pattern.test(stem))?.[1];
      return { id: `sonicpi/${stem}`, path: join(folder, name), name, stem, family };
    });
}
