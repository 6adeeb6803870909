/** Log power of a short-time Fourier transform, every bin by itself. K = nFft/2 + 1 bins, T frames. */
import type { NdArray } from '@unlabel/core';
import { stft, type StftOptions } from './stft.ts';

/** audio [N] → ln max(|X|², floor) [K, T]. */
export function logPower(audio: Float32Array, options: StftOptions, floor: number): NdArray {
  const { data: spectrum, shape } = stft(audio, options);
  const data = new Float32Array(spectrum.length / 2);
  for (let i = 0; i < data.length; i++) {
    const [re, im] = [spectrum[2 * i]!, spectrum[2 * i + 1]!];
    data[i] = Math.log(Math.max(re * re + im * im, floor));
  }
  return { data, shape: shape.slice(0, 2) };
}
