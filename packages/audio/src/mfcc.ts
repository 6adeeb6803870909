/**
 * Mel-frequency cepstral coefficients: the DCT-II over bands of a log-mel spectrogram. torchaudio.transforms.MFCC (decibels
 * with 80 dB of range per clip, or ln(mel + 1e-6)) and librosa.feature.mfcc (Slaney bank, decibels, zero padding) differ in
 * their options only; the presets below hold them. Kaldi's are in `kaldi-fbank.ts`.
 */
import { ConfigError, type NdArray } from '@unlabel/core';
import { dctMatrix } from './dct.ts';
import { melAnalyzer, type LogOptions, type MelOptions } from './log-mel.ts';

export interface MfccOptions extends MelOptions {
  /** Coefficients kept, C0 included. */
  readonly nMfcc: number;
  /** Default: decibels, 80 dB of range. */
  readonly log?: LogOptions;
  /** Default 'ortho'. */
  readonly dctNorm?: 'ortho' | 'none';
  /** librosa's lifter L: coefficient n is scaled by 1 + (L/2) sin(π(n+1)/L). Default 0: none. */
  readonly lifter?: number;
}

/** Options that give librosa.feature.mfcc's defaults for audio at its rate. */
export const librosaMfcc = {
  nFft: 2048,
  hopLength: 512,
  nMels: 128,
  melScale: 'slaney',
  melNorm: 'slaney',
  padMode: 'constant',
  nMfcc: 20,
} as const satisfies Partial<MfccOptions>;

/** torchaudio.transforms.MFCC(log_mels=True). */
export const torchaudioLogMels: LogOptions = { kind: 'ln', offset: 1e-6 };

/** Log-mel [M, T] → cepstra [nMfcc, T]. @throws ConfigError when nMfcc is not in 1…M. */
export function cepstra(logMel: NdArray, options: Pick<MfccOptions, 'nMfcc' | 'dctNorm' | 'lifter'>): NdArray {
  const { nMfcc, dctNorm = 'ortho', lifter = 0 } = options;
  const [bands = 0, frames = 0] = logMel.shape;
  if (!(Number.isInteger(nMfcc) && nMfcc >= 1 && nMfcc <= bands)) {
    throw new ConfigError(`mfcc: nMfcc must be an integer in 1…${bands} (the mel bands), found ${nMfcc}.`);
  }
  const dct = dctMatrix(nMfcc, bands, dctNorm);
  const data = new Float32Array(nMfcc * frames);
  const row = new Float64Array(frames);
  for (let c = 0; c < nMfcc; c++) {
    row.fill(0);
    for (let m = 0; m < bands; m++) {
      const weight = dct[c * bands + m]!;
      for (let t = 0, at = m * frames; t < frames; t++, at++) row[t]! += weight * logMel.data[at]!;
    }
    const gain = lifter === 0 ? 1 : 1 + (lifter / 2) * Math.sin((Math.PI * (c + 1)) / lifter);
    for (let t = 0; t < frames; t++) data[c * frames + t] = row[t]! * gain;
  }
  return { data, shape: [nMfcc, frames] };
}

/** audio [N] → cepstra [nMfcc, T]. */
export function mfcc(audio: Float32Array, options: MfccOptions): NdArray {
  return cepstra(melAnalyzer(options, options.log ?? { kind: 'db' }).apply(audio), options);
}
