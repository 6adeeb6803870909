/**
 * MT-SLVR's seven transformations and how many of them a recording goes through. Their order here is that of the predicted bits.
 *
 * CHeggan/MT-SLVR Dataset_@13b49c20, whose transforms are those of a development build of torch-audiomentations (2022).
 */
import { colouredNoise, fade, pitchShift, timeMask, timeShift, timeStretch } from '@unlabel/augment';
import type { Rng } from '@unlabel/core';

export interface Transform {
  readonly name: string;
  /** audio [N] at 16 kHz → [N] */
  apply(audio: Float32Array, rng: Rng): Float32Array;
}

export const transforms: readonly Transform[] = [
  { name: 'pitch_shift', apply: (audio, rng) => pitchShift(audio, rng, { semitones: [-15, 15] }) },
  { name: 'fade', apply: (audio, rng) => fade(audio, rng, { share: 0.5 }) },
  { name: 'white_noise', apply: (audio, rng) => colouredNoise(audio, rng, { snr: [3, 30], decay: [-1, 0] }) },
  { name: 'mixed_noise', apply: (audio, rng) => colouredNoise(audio, rng, { snr: [3, 30], decay: [-2, 2] }) },
  { name: 'time_stretch', apply: (audio, rng) => timeStretch(audio, rng, { rates: [0.5, 1.5] }) },
  { name: 'time_masking', apply: (audio, rng) => timeMask(audio, rng, { share: 0.125 }) },
  { name: 'time_shift', apply: (audio, rng) => timeShift(audio, rng, { share: 0.5 }) },
];

/** Which transforms, one after the other: one to seven of them, each number as likely, in any order. */
export function drawPipeline(rng: Rng): number[] {
  const count = 1 + rng.int(transforms.length);
  return [...rng.permutation(transforms.length).subarray(0, count)];
}

/** The same transforms in the same order, with parameters of `rng`. */
export const applyPipeline = (audio: Float32Array, pipeline: readonly number[], rng: Rng): Float32Array =>
  pipeline.reduce((held, t) => transforms[t]!.apply(held, rng.fork(t)), audio);

/** 1 where a transform was used [7]. */
export const labelsOf = (pipeline: readonly number[]): Float32Array =>
  Float32Array.from(transforms, (_, t) => (pipeline.includes(t) ? 1 : 0));
