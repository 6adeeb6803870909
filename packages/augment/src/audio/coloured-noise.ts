/**
 * Noise whose spectrum falls or rises with frequency, under a recording at a given distance in level. As `AddColoredNoise` of
 * torch-audiomentations 0.11: one second of noise, repeated; white noise has decay 0, pink 1, brown 2, blue −1, violet −2.
 */
import { realFft } from '@unlabel/audio';
import type { Rng } from '@unlabel/core';

/** White noise [n], n samples a second → amplitudes divided by linspace(1, √(n/2))^decay over the bins, brought to a mean square of 1. */
export function color(white: ArrayLike<number>, decay: number): Float64Array {
  const n = white.length;
  const fft = realFft(n);
  for (let i = 0; i < n; i++) fft.input[i] = white[i]!;
  const spectrum = new Float64Array(2 * fft.bins);
  fft.spectrum(spectrum);
  const top = Math.sqrt(n / 2);
  for (let k = 0; k < fft.bins; k++) {
    const scale = (1 + ((top - 1) * k) / (fft.bins - 1)) ** -decay;
    spectrum[2 * k]! *= scale;
    spectrum[2 * k + 1]! *= scale;
  }
  const out = new Float64Array(n);
  fft.inverse(spectrum, out);
  const rms = rootMeanSquare(out);
  return rms > 0 ? out.map((x) => x / rms) : out;
}

export function rootMeanSquare(audio: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < audio.length; i++) sum += audio[i]! ** 2;
  return Math.sqrt(sum / Math.max(1, audio.length));
}

export interface ColouredNoiseOptions {
  /** Range of the distance in dB. Default 3 … 30. */
  readonly snr?: readonly [number, number];
  /** Range of the decay: −1 … 0 (MT-SLVR's white noise) or −2 … 2 (its mixed noise). Default −2 … 2. */
  readonly decay?: readonly [number, number];
  /** Samples a second. Default 16000. */
  readonly sampleRate?: number;
}

/** audio [N] → [N] with noise added. */
export function colouredNoise(audio: Float32Array, rng: Rng, options: ColouredNoiseOptions = {}): Float32Array {
  const { snr = [3, 30], decay = [-2, 2], sampleRate = 16000 } = options;
  const distance = rng.range(snr[0], snr[1]);
  const noise = color(
    Float64Array.from({ length: sampleRate }, () => rng.normal()),
    rng.range(decay[0], decay[1]),
  );
  const level = rootMeanSquare(audio) / 10 ** (distance / 20);
  return audio.map((x, i) => x + level * noise[i % sampleRate]!);
}
