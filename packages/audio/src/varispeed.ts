/** Playing a recording faster or slower, as a tape or a sampler does: pitch and tempo change together. */
import { ConfigError } from '@unlabel/core';
import { resample } from './resample.ts';

/** Ratios are whole numbers of a 320th: pitch is right to 3 cents (6 an octave below), and the resampling has few phases. */
const parts = 320;

/**
 * audio [N] → [⌈N·320/round(320·2^(semitones/12))⌉]: `semitones` higher and faster, below 0 lower and slower. What
 * torchaudio 2.x `functional.speed(audio, 320, 2^(semitones/12))` does, which cuts the ratio where this rounds it. What rises above
 * half the sample rate is filtered out.
 * @throws ConfigError beyond ± 24 semitones
 */
export function varispeed(audio: Float32Array, semitones: number): Float32Array {
  if (!(Math.abs(semitones) <= 24))
    throw new ConfigError(`varispeed: expected −24 to 24 semitones, found ${semitones}.`);
  return resample(audio, Math.round(parts * 2 ** (semitones / 12)), parts);
}
