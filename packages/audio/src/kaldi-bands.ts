/** From Kaldi's windowed frames to band sums, twice: frame by frame for any length, and in the SIMD kernels for powers of two. */
import { realFft } from './fft.ts';
import { applyMelBank, type MelBank } from './mel.ts';
import { wasmMemory } from './wasm/memory.ts';
import { pairBank, pairSpectrum } from './wasm/pair-spectrum.ts';

export interface KaldiBands {
  readonly bank: MelBank;
  /** Length of the transform. */
  readonly nFft: number;
  /** Samples of a frame, the rest is zeros. */
  readonly size: number;
  /** |X|² under the bank, else |X|. */
  readonly usePower: boolean;
}

/** Asks for each frame in turn, gives its bands: band m is bands[first + m·step]. */
export type FrameBands = (
  frames: number,
  read: (t: number, frame: Float64Array) => void,
  write: (t: number, bands: Float64Array, first: number, step: number) => void,
) => void;

/** One frame after the other, for any length of transform. */
export function frameBands({ bank, nFft, size, usePower }: KaldiBands): FrameBands {
  const fft = realFft(nFft);
  const spectrum = new Float64Array(fft.bins);
  const bands = new Float64Array(bank.nMels);
  return (frames, read, write) => {
    for (let t = 0; t < frames; t++) {
      read(t, fft.input);
      fft.input.fill(0, size);
      fft.power(spectrum);
      if (!usePower) for (let k = 0; k < spectrum.length; k++) spectrum[k] = Math.sqrt(spectrum[k]!);
      applyMelBank(bank, spectrum, bands);
      write(t, bands, 0, 1);
    }
  };
}

/** Two frames at a time in the SIMD kernels: the same bytes. */
export function pairBands({ bank, nFft, size, usePower }: KaldiBands): FrameBands {
  const spectrum = pairSpectrum(nFft);
  const mel = pairBank(bank);
  const frame = new Float64Array(size);
  return (frames, read, write) => {
    const { f64, kernels } = wasmMemory();
    const input = spectrum.input / 8;
    for (let t = 0; t < frames; t += 2) {
      const count = Math.min(2, frames - t);
      f64.fill(0, input + (count === 2 ? 2 * size : 0), input + 2 * nFft);
      for (let lane = 0; lane < count; lane++) {
        read(t + lane, frame);
        for (let i = 0, at = input + lane; i < size; i++, at += 2) f64[at] = 0.5 * frame[i]!; // halved, as the kernels want it
      }
      const power = spectrum.power({ isInOrder: true });
      if (!usePower) kernels.sqrtPair(power, nFft / 2 + 1);
      const bands = mel.apply(power) / 8;
      for (let lane = 0; lane < count; lane++) write(t + lane, f64, bands + lane, 2);
    }
  };
}
