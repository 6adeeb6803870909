/**
 * The loop from audio to mel bands, twice: frame by frame in plain TypeScript for any length and power, and two frames at a
 * time through the SIMD kernels for powers of two. Both work in float64 and agree to rounding.
 * Shape letters: M mel bands, T frames.
 */
import { realFft } from './fft.ts';
import type { FramePlan } from './frames.ts';
import { applyMelBank, type MelBank } from './mel.ts';
import { wasmMemory } from './wasm/memory.ts';
import { halvedWindow, pairBank, pairSpectrum } from './wasm/pair-spectrum.ts';

export interface MelSetup {
  readonly plan: FramePlan;
  readonly bank: MelBank;
  /** The bank is applied to (scale·|X|²)^(power/2) + powerOffset. */
  readonly power: number;
  readonly powerOffset: number;
  readonly scale: number;
  /** When given, ln(band + offset) is written instead of the band. */
  readonly offset: number | undefined;
}

/** Writes the bands of the first T frames into data [M, T]. */
export type MelFiller = (audio: Float32Array, frames: number, data: Float32Array) => void;

export function plainFiller({ plan, bank, power, powerOffset, scale, offset }: MelSetup): MelFiller {
  const fft = realFft(plan.nFft);
  const spectrum = new Float64Array(fft.bins);
  const bands = new Float64Array(bank.nMels);
  return (audio, frames, data) => {
    for (let t = 0; t < frames; t++) {
      plan.read(audio, t, fft.input);
      fft.power(spectrum);
      if (scale !== 1) for (let k = 0; k < spectrum.length; k++) spectrum[k]! *= scale;
      if (power === 1) for (let k = 0; k < spectrum.length; k++) spectrum[k] = Math.sqrt(spectrum[k]!);
      else if (power !== 2) for (let k = 0; k < spectrum.length; k++) spectrum[k] = spectrum[k]! ** (power / 2);
      if (powerOffset !== 0) for (let k = 0; k < spectrum.length; k++) spectrum[k]! += powerOffset;
      applyMelBank(bank, spectrum, bands);
      if (offset !== undefined) for (let m = 0; m < bands.length; m++) bands[m] = Math.log(bands[m]! + offset);
      for (let m = 0, at = t; m < bands.length; m++, at += frames) data[at] = bands[m]!;
    }
  };
}

/** Frames staged in the kernels' memory at a time: enough to copy each sample about once, small enough to stay in cache. */
const CHUNK = 64;

/** For `power` 1 or 2 and lengths that `hasPairSpectrum`. */
export function pairFiller({ plan, bank, power, powerOffset, scale, offset }: MelSetup): MelFiller {
  const { nFft, hopLength } = plan;
  const { nMels } = bank;
  const gain = power === 1 ? Math.sqrt(scale) : scale;
  // a constant under the bank is a constant on each band
  const bias = Float64Array.from({ length: nMels }, (_, m) => {
    let sum = 0;
    for (let i = bank.offsets[m]!; i < bank.offsets[m + 1]!; i++) sum += bank.weights[i]!;
    return powerOffset * sum + (offset ?? 0);
  });
  const spectrum = pairSpectrum(nFft);
  const mel = pairBank(bank);
  const window = halvedWindow(plan.window);
  const isOverlapping = hopLength <= nFft;
  const stride = isOverlapping ? hopLength : nFft; // between staged frames
  return (audio, frames, data) => {
    const memory = wasmMemory();
    const { kernels } = memory;
    const staged = memory.scratch(4 * ((CHUNK - 1) * stride + nFft));
    const { f32, f64 } = memory;
    for (let first = 0; first < frames; first += CHUNK) {
      const count = Math.min(CHUNK, frames - first);
      if (isOverlapping) plan.copy(audio, first, (count - 1) * stride + nFft, f32, staged / 4);
      else for (let i = 0; i < count; i++) plan.copy(audio, first + i, nFft, f32, staged / 4 + i * nFft);
      for (let i = 0; i < count; i += 2) {
        const a = staged + 4 * i * stride;
        const isPair = i + 1 < count;
        kernels.windowPair(a, isPair ? a + 4 * stride : a, window, spectrum.input, nFft);
        const power2 = spectrum.power();
        if (power === 1) kernels.sqrtPair(power2, nFft / 2 + 1);
        const bands = mel.apply(power2) / 8;
        for (let m = 0, at = first + i; m < nMels; m++, at += frames) {
          const x = f64[bands + 2 * m]! * gain + bias[m]!;
          const y = f64[bands + 2 * m + 1]! * gain + bias[m]!;
          data[at] = offset === undefined ? x : Math.log(x);
          if (isPair) data[at + 1] = offset === undefined ? y : Math.log(y);
        }
      }
    }
  };
}
