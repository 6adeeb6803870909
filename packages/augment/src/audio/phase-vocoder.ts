/**
 * Faster or slower at the same pitch: the phase vocoder on a short-time spectrum.
 *
 * Flanagan, Golden, "Phase Vocoder", Bell System Technical Journal 45, 1966; arithmetic of torchaudio.functional.phase_vocoder.
 *
 * Legend: K bins, T frames, N samples.
 */
import { istft, stft } from '@unlabel/audio';
import { ConfigError, type NdArray, type Rng } from '@unlabel/core';

/** spectrum [K, T, 2] → [K, ⌈T/rate⌉, 2], rate > 1 faster. `hopLength` is that of the analysis, K = nFft/2 + 1. */
export function phaseVocoder({ data, shape }: NdArray, rate: number, hopLength: number): NdArray {
  const [bins, frames] = shape as readonly [number, number];
  if (!(rate > 0 && Number.isFinite(rate)))
    throw new ConfigError(`phaseVocoder: rate ${rate}; expected a number above 0`);
  const steps = Math.ceil(frames / rate);
  const out = new Float32Array(bins * steps * 2);
  const magnitude = new Float64Array(frames + 2); // two frames of silence follow
  const angle = new Float64Array(frames + 2);
  for (let k = 0; k < bins; k++) {
    for (let t = 0; t < frames; t++) {
      const [re, im] = [data[2 * (k * frames + t)]!, data[2 * (k * frames + t) + 1]!];
      magnitude[t] = Math.sqrt(re * re + im * im);
      angle[t] = Math.atan2(im, re);
    }
    const advance = (Math.PI * hopLength * k) / (bins - 1); // of a bin's own frequency in one hop
    let phase = angle[0]!;
    for (let s = 0; s < steps; s++) {
      const at = s * rate;
      const t = Math.floor(at);
      const share = at - t;
      const size = share * magnitude[t + 1]! + (1 - share) * magnitude[t]!;
      out[2 * (k * steps + s)] = size * Math.cos(phase);
      out[2 * (k * steps + s) + 1] = size * Math.sin(phase);
      const off = angle[t + 1]! - angle[t]! - advance;
      phase += off - 2 * Math.PI * Math.round(off / (2 * Math.PI)) + advance;
    }
  }
  return { data: out, shape: [bins, steps, 2] };
}

export interface StretchOptions {
  /** Default 2048. */
  readonly nFft?: number;
  /** Default nFft/4. */
  readonly hopLength?: number;
}

/** audio [N] → [round(N/rate)], as long as it lasts at `rate` times the tempo. */
export function stretch(audio: Float32Array, rate: number, options: StretchOptions = {}): Float32Array {
  const { nFft = 2048, hopLength = nFft / 4 } = options;
  const spectrum = phaseVocoder(stft(audio, { nFft, hopLength }), rate, hopLength);
  return istft(spectrum, { nFft, hopLength, length: Math.round(audio.length / rate) });
}

export interface TimeStretchOptions extends StretchOptions {
  /** Range of the rate, rounded to hundredths. Default 0.5 … 1.5, MT-SLVR's. */
  readonly rates?: readonly [number, number];
}

/** audio [N] → [N] at another tempo: repeated from the start when it has become shorter, cut when longer. */
export function timeStretch(audio: Float32Array, rng: Rng, options: TimeStretchOptions = {}): Float32Array {
  const { rates = [0.5, 1.5] } = options;
  const rate = Math.round(100 * rng.range(rates[0], rates[1])) / 100;
  const stretched = stretch(audio, rate, options);
  if (stretched.length >= audio.length) return stretched.slice(0, audio.length);
  return Float32Array.from(audio, (_, i) => stretched[i % stretched.length]!);
}
