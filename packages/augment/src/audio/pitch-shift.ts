/**
 * Another pitch at the same tempo: stretched by the phase vocoder, then played faster or slower. As torchaudio.functional.pitch_shift,
 * whose resampler it evaluates at any ratio instead of making a kernel for each.
 *
 * Legend: N samples.
 */
import { ConfigError, type Rng } from '@unlabel/core';
import { stretch, type StretchOptions } from './phase-vocoder.ts';

/** Zero crossings of the kernel on either side, and how far below the Nyquist frequency it begins to fall: torchaudio's defaults. */
const crossings = 6;
const rolloff = 0.99;
/** Kernel values between two zero crossings. */
const resolution = 2048;

let kernel: Float64Array | undefined;

/** sin(πt)/(πt)·cos²(πt/2c) at t = i/resolution. */
function kernelTable(): Float64Array {
  return (kernel ??= Float64Array.from({ length: crossings * resolution + 3 }, (_, i) => {
    const t = i / resolution;
    if (t >= crossings) return 0;
    const sinc = t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t);
    return sinc * Math.cos((Math.PI * t) / (2 * crossings)) ** 2;
  }));
}

/** audio at rate `from` → the same at rate `to` [⌈N·to/from⌉]; any two numbers. */
export function resampleRatio(audio: Float32Array, from: number, to: number): Float32Array {
  if (!(from > 0 && to > 0)) throw new ConfigError(`resampleRatio: ${from} Hz to ${to} Hz; expected rates above 0`);
  const table = kernelTable();
  const cutoff = Math.min(1, to / from) * rolloff; // in zero crossings a sample of the input
  const reach = crossings / cutoff;
  const out = new Float32Array(Math.ceil((audio.length * to) / from));
  const step = cutoff * resolution;
  for (let j = 0; j < out.length; j++) {
    const center = (j * from) / to;
    const first = Math.max(0, Math.ceil(center - reach));
    const middle = Math.min(audio.length - 1, Math.floor(center));
    const last = Math.min(audio.length - 1, Math.floor(center + reach));
    let sum = 0;
    for (let i = middle, at = (center - middle) * step; i >= first; i--, at += step) {
      const below = at | 0;
      const low = table[below]!;
      sum += audio[i]! * (low + (at - below) * (table[below + 1]! - low));
    }
    for (let i = middle + 1, at = (middle + 1 - center) * step; i <= last; i++, at += step) {
      const below = at | 0;
      const low = table[below]!;
      sum += audio[i]! * (low + (at - below) * (table[below + 1]! - low));
    }
    out[j] = sum * cutoff;
  }
  return out;
}

export interface PitchShiftOptions extends StretchOptions {
  /** Range in semitones. Default −15 … 15, MT-SLVR's. */
  readonly semitones?: readonly [number, number];
  /** Hz. Default 16000; matters to the rounding of the ratio only. */
  readonly sampleRate?: number;
}

/** audio [N] → [N], `semitones` higher. Its end is zeros or cut off where the ratio's rounding leaves it short or long. */
export function shiftPitch(audio: Float32Array, semitones: number, options: PitchShiftOptions = {}): Float32Array {
  const { nFft = 512, hopLength = nFft / 4, sampleRate = 16000 } = options;
  const rate = 2 ** (-semitones / 12);
  const stretched = stretch(audio, rate, { nFft, hopLength });
  const shifted = resampleRatio(stretched, Math.floor(sampleRate / rate), sampleRate);
  const out = new Float32Array(audio.length);
  out.set(shifted.subarray(0, audio.length));
  return out;
}

export function pitchShift(audio: Float32Array, rng: Rng, options: PitchShiftOptions = {}): Float32Array {
  const { semitones = [-15, 15] } = options;
  return shiftPitch(audio, rng.range(semitones[0], semitones[1]), options);
}
