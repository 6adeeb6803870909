/**
 * A mono recording as two ears hear it from a direction: interaural time difference ITD = r/c·(φ + sin φ) (Woodworth's spherical head;
 * Blauert, "Spatial Hearing", 1997, §2.4.1) and a level difference of 6 dB·sin φ, no room.
 *
 * Azimuth φ in radians: 0 ahead, π/2 right, −π/2 left.
 */
import { ConfigError } from '@unlabel/core';

/** Radius of the head in m, speed of sound in m/s. */
const headRadius = 0.0875;
const soundSpeed = 343;
/** dB between the ears at φ = ±π/2. */
const levelDifference = 6;

/** Seconds by which the right ear hears first; below 0 the left does. */
export const interauralTime = (azimuth: number): number => (headRadius / soundSpeed) * (azimuth + Math.sin(azimuth));

/** Gains of the left and the right ear; their ratio is 6·sin φ dB, their product 1. */
export function interauralGains(azimuth: number): readonly [number, number] {
  const right = 10 ** ((levelDifference * Math.sin(azimuth)) / 40);
  return [1 / right, right];
}

/**
 * audio [N] → left and right [N] each, the source at `azimuthAt(seconds)`. Delays are fractional (cubic interpolation); before the
 * first and after the last sample there is silence.
 */
export function renderBinaural(
  audio: Float32Array,
  sampleRate: number,
  azimuthAt: (seconds: number) => number,
): readonly [Float32Array, Float32Array] {
  if (!(sampleRate > 0)) throw new ConfigError(`renderBinaural: ${sampleRate} Hz; expected a rate above 0`);
  const left = new Float32Array(audio.length);
  const right = new Float32Array(audio.length);
  for (let n = 0; n < audio.length; n++) {
    const azimuth = azimuthAt(n / sampleRate);
    const half = (interauralTime(azimuth) * sampleRate) / 2;
    const [gainLeft, gainRight] = interauralGains(azimuth);
    left[n] = gainLeft * sampleAt(audio, n - half);
    right[n] = gainRight * sampleAt(audio, n + half);
  }
  return [left, right];
}

/** Catmull–Rom between the four samples around a place. */
function sampleAt(audio: Float32Array, place: number): number {
  const i = Math.floor(place);
  const t = place - i;
  const [a, b, c, d] = [audio[i - 1] ?? 0, audio[i] ?? 0, audio[i + 1] ?? 0, audio[i + 2] ?? 0];
  return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}
