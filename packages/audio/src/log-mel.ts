/**
 * Log-mel spectrograms and what they are made of: power spectra through a mel bank, then one of the logarithms in use.
 * Shape letters: M mel bands, T frames.
 *
 * - torchaudio.transforms.MelSpectrogram: the defaults here, but for its nFft 400 (log: none).
 * - ln(mel + offset): BYOL-A (offset float32 epsilon), DeLoRes (librosa bank, |X|² + 2.22e-16, offset 1.19209e-7).
 * - decibels: torchaudio's AmplitudeToDB and librosa's power_to_db; the dynamic range is cut per clip.
 * - ln of a clipped value: Kaldi-like floors, DECAR's clip to 1e-5 … 1e8.
 */
import { DataError, type NdArray } from '@unlabel/core';
import { framePlan, type FrameOptions } from './frames.ts';
import { pairFiller, plainFiller, type MelSetup } from './mel-frames.ts';
import { melBank, type MelBank, type MelScale } from './mel.ts';
import { hasPairSpectrum } from './wasm/pair-spectrum.ts';

export interface MelOptions extends FrameOptions {
  /** Hz. */
  readonly sampleRate: number;
  readonly nMels: number;
  readonly fMin?: number;
  readonly fMax?: number;
  readonly melScale?: MelScale;
  readonly melNorm?: 'none' | 'slaney';
  readonly triangles?: 'hz' | 'mel';
  /** 2: |X|² (default); 1: |X|; others |X|^power. */
  readonly power?: number;
  /** Added to |X|^power before the bank. Default 0. */
  readonly powerOffset?: number;
  /**
   * 'window' divides |X| by √Σw² (torchaudio's normalized: true), 'frame' by √nFft. Default 'none'.
   */
  readonly normalized?: 'none' | 'window' | 'frame';
}

export type LogOptions =
  | { readonly kind: 'none' }
  /** ln(x + offset). */
  | { readonly kind: 'ln'; readonly offset: number }
  /** ln(min(max(x, floor), ceiling)). */
  | { readonly kind: 'ln-clip'; readonly floor: number; readonly ceiling?: number }
  /** 10·log10(x + offset): no floor but the offset (MT-SLVR). */
  | { readonly kind: 'db-offset'; readonly offset: number }
  | ({ readonly kind: 'db' } & DbOptions);

export interface DbOptions {
  /** Values under it count as it. Default 1e-10. */
  readonly amin?: number;
  /** The value of 0 dB: a number (default 1) or the clip's maximum. */
  readonly ref?: number | 'max';
  /** dB kept below the clip's maximum; null keeps all. Default 80. */
  readonly topDb?: number | null;
  /** 10 for powers (default), 20 for magnitudes. */
  readonly factor?: number;
}

const maxOf = (values: Float32Array): number => {
  let max = -Infinity;
  for (let i = 0; i < values.length; i++) if (values[i]! > max) max = values[i]!;
  return max;
};

/** Powers → decibels in place. The maximum for `ref` and `topDb` is that of the array given: one clip. */
export function powerToDb(values: Float32Array, options: DbOptions = {}): Float32Array {
  const { amin = 1e-10, ref = 1, topDb = 80, factor = 10 } = options;
  const reference = factor * Math.log10(Math.max(amin, ref === 'max' ? maxOf(values) : Math.abs(ref)));
  for (let i = 0; i < values.length; i++) values[i] = factor * Math.log10(Math.max(amin, values[i]!)) - reference;
  if (topDb !== null) {
    const floor = maxOf(values) - topDb;
    for (let i = 0; i < values.length; i++) if (values[i]! < floor) values[i] = floor;
  }
  return values;
}

/** Apply a logarithm to non-negative values in place. */
export function applyLog(values: Float32Array, log: LogOptions): Float32Array {
  switch (log.kind) {
    case 'none':
      break;
    case 'ln':
      for (let i = 0; i < values.length; i++) values[i] = Math.log(values[i]! + log.offset);
      break;
    case 'ln-clip': {
      const { floor, ceiling = Infinity } = log;
      for (let i = 0; i < values.length; i++) values[i] = Math.log(Math.min(Math.max(values[i]!, floor), ceiling));
      break;
    }
    case 'db-offset':
      for (let i = 0; i < values.length; i++) values[i] = 10 * Math.log10(values[i]! + log.offset);
      break;
    case 'db':
      powerToDb(values, log);
  }
  return values;
}

export interface MelAnalyzer {
  readonly bank: MelBank;
  readonly hopLength: number;
  framesOf(samples: number): number;
  /** audio [N] → [M, T], into `out` when given (M·T values). */
  apply(audio: Float32Array, out?: Float32Array): NdArray;
}

/**
 * Everything that does not depend on the audio, made once: window, transform, filter bank.
 * @throws ConfigError for options that cannot be used; `apply` throws DataError for an empty clip.
 */
export function melAnalyzer(options: MelOptions, log: LogOptions = { kind: 'none' }): MelAnalyzer {
  const { power = 2, powerOffset = 0, normalized = 'none' } = options;
  const plan = framePlan(options);
  const bank = melBank({ ...options, bins: Math.floor(plan.nFft / 2) + 1 });
  const energy = plan.window.reduce((sum, w) => sum + w * w, 0);
  const scale = normalized === 'none' ? 1 : 1 / (normalized === 'window' ? energy : plan.nFft); // of |X|²
  const setup: MelSetup = { plan, bank, power, powerOffset, scale, offset: log.kind === 'ln' ? log.offset : undefined };
  const fill = hasPairSpectrum(plan.nFft) && (power === 1 || power === 2) ? pairFiller(setup) : plainFiller(setup);
  return {
    bank,
    hopLength: plan.hopLength,
    framesOf: (samples) => plan.framesOf(samples),
    apply(audio, out) {
      const frames = plan.framesOf(audio.length);
      const size = bank.nMels * frames;
      const data = out ?? new Float32Array(size);
      if (data.length !== size) {
        throw new DataError(
          `mel: the output holds ${data.length} values; ${bank.nMels} bands × ${frames} frames need ${size}.`,
        );
      }
      fill(audio, frames, data);
      if (log.kind !== 'ln') applyLog(data, log);
      return { data, shape: [bank.nMels, frames] };
    },
  };
}

/** audio [N] → mel spectrogram [M, T], linear. See `melAnalyzer` for many clips. */
export function melSpectrogram(audio: Float32Array, options: MelOptions): NdArray {
  return melAnalyzer(options).apply(audio);
}

/** audio [N] → log-mel spectrogram [M, T]. */
export function logMel(audio: Float32Array, options: MelOptions, log: LogOptions): NdArray {
  return melAnalyzer(options, log).apply(audio);
}
