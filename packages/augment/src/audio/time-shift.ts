/** Moving and silencing a recording in time. */
import type { Rng } from '@unlabel/core';

/** audio [N] → [N], later by `samples` (earlier when negative); what leaves at one end comes in at the other. */
export function roll(audio: Float32Array, samples: number): Float32Array {
  const n = audio.length;
  const by = n === 0 ? 0 : ((samples % n) + n) % n;
  const out = new Float32Array(n);
  out.set(audio.subarray(n - by), 0);
  out.set(audio.subarray(0, n - by), by);
  return out;
}

/** audio [N] → [N], rolled by up to `share` of its length either way. */
export function timeShift(
  audio: Float32Array,
  rng: Rng,
  { share = 0.5 }: { readonly share?: number } = {},
): Float32Array {
  return roll(audio, Math.trunc(rng.range(-share, share) * audio.length));
}

/** audio [N] → [N] with one span of up to `share` of its length at 0. */
export function timeMask(
  audio: Float32Array,
  rng: Rng,
  { share = 0.125 }: { readonly share?: number } = {},
): Float32Array {
  const span = rng.int(Math.floor(share * audio.length) + 1);
  const start = rng.int(audio.length - span + 1);
  return audio.slice().fill(0, start, start + span);
}
