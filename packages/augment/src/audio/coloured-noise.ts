/**
 * Noise whose spectrum falls or rises with frequency, under a recording at a given distance in level. As `AddColoredNoise` of
 * torch-audiomentations 0.11: one second of noise, repeated; white noise has decay 0, pink 1, brown 2, blue −1, violet −2.
 */
import { realFft } from '@unlabel/audio';
import type { Rng } from '@unlabel/core';
import { normals } from './normals.ts';

const logs = new Map<number, Float64Array>();

/** ln of linspace(1, √(n/2)) over the bins of n samples. */
function logarithms(n: number): Float64Array {
  let held = logs.get(n);
  if (!held) {
    const bins = Math.floor(n / 2) + 1;
    const top = Math.sqrt(n / 2);
    held = Float64Array.from({ length: bins }, (_, k) => Math.log(1 + ((top - 1) * k) / (bins - 1)));
    logs.set(n, held);
  }
  return held;
}

/** Spectrum of white noise of n samples, n a second → amplitudes divided by linspace(1, √(n/2))^decay, as audio of mean square 1 in out [n]. */
function shaped(spectrum: Float64Array, n: number, decay: number, out: Float64Array): Float64Array {
  const steps = logarithms(n);
  for (let k = 0; k < steps.length; k++) {
    const scale = Math.exp(-decay * steps[k]!);
    spectrum[2 * k]! *= scale;
    spectrum[2 * k + 1]! *= scale;
  }
  realFft(n).inverse(spectrum, out);
  const rms = rootMeanSquare(out);
  if (rms > 0) for (let i = 0; i < n; i++) out[i]! /= rms;
  return out;
}

/** White noise [n], n samples a second → the same with a colour, of mean square 1 [n]. */
export function color(white: ArrayLike<number>, decay: number): Float64Array {
  const n = white.length;
  const fft = realFft(n);
  for (let i = 0; i < n; i++) fft.input[i] = white[i]!;
  const spectrum = new Float64Array(2 * fft.bins);
  fft.spectrum(spectrum);
  return shaped(spectrum, n, decay, new Float64Array(n));
}

/** A spectrum and its noise, kept for the last length: a clip's would cost more to make than to fill. */
let buffers = { spectrum: new Float64Array(0), noise: new Float64Array(0) };

function buffersOf(n: number): typeof buffers {
  if (buffers.noise.length !== n)
    buffers = { spectrum: new Float64Array(2 * realFft(n).bins), noise: new Float64Array(n) };
  return buffers;
}

/**
 * Noise of a colour [n], until the next is drawn. Its spectrum is drawn, not its samples: that of normal samples is normal too, twice as strong in the two bins
 * that are real.
 */
export function drawNoise(n: number, decay: number, rng: Rng): Float64Array {
  const { spectrum, noise } = buffersOf(n);
  normals(spectrum.length, rng, spectrum);
  spectrum[0]! *= Math.SQRT2;
  if (n % 2 === 0) spectrum[spectrum.length - 2]! *= Math.SQRT2;
  return shaped(spectrum, n, decay, noise);
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
  const noise = drawNoise(sampleRate, rng.range(decay[0], decay[1]), rng);
  const level = rootMeanSquare(audio) / 10 ** (distance / 20);
  const out = new Float32Array(audio.length);
  for (let i = 0; i < out.length; i++) out[i] = audio[i]! + level * noise[i % sampleRate]!;
  return out;
}
