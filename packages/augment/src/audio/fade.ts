/** Rising start and falling end, as torchaudio.transforms.Fade. */
import type { Rng } from '@unlabel/core';

export const fadeShapes = ['linear', 'logarithmic', 'exponential'] as const;
export type FadeShape = (typeof fadeShapes)[number];

/** Gain at u = 0 … 1 of a fade in. */
function gain(u: number, shape: FadeShape): number {
  const value = shape === 'linear' ? u : shape === 'logarithmic' ? Math.log10(0.1 + u) + 1 : 2 ** (u - 1) * u;
  return Math.min(1, Math.max(0, value));
}

/** audio [N] → [N]; `fadeIn` and `fadeOut` in samples, at most N each. */
export function fadeBy(audio: Float32Array, fadeIn: number, fadeOut: number, shape: FadeShape): Float32Array {
  const n = audio.length;
  const out = audio.slice();
  const at = (i: number, length: number): number => (length > 1 ? i / (length - 1) : 0);
  for (let i = 0; i < fadeIn; i++) out[i]! *= gain(at(i, fadeIn), shape);
  // the logarithmic and the exponential fade out are the fade in, backwards
  for (let i = 0; i < fadeOut; i++) out[n - fadeOut + i]! *= gain(1 - at(i, fadeOut), shape);
  return out;
}

export interface FadeOptions {
  /** Largest share of the clip that each fade takes. Default 0.5. */
  readonly share?: number;
}

/** audio [N] → [N], lengths and shape drawn. */
export function fade(audio: Float32Array, rng: Rng, { share = 0.5 }: FadeOptions = {}): Float32Array {
  const most = Math.floor(share * audio.length);
  const [fadeIn, fadeOut] = [rng.int(most + 1), rng.int(most + 1)];
  return fadeBy(audio, fadeIn, fadeOut, fadeShapes[rng.int(fadeShapes.length)]!);
}
