/**
 * Mixing of recordings into clips. Only +, ×, ÷ and √, which round alike everywhere: the same bytes on every machine.
 * Plain indexed loops: `for … of` over samples takes ten times as long.
 */

export function rms(samples: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += samples[i]! * samples[i]!;
  return samples.length === 0 ? 0 : Math.sqrt(sum / samples.length);
}

export function peak(samples: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < samples.length; i++) {
    const size = Math.abs(samples[i]!);
    if (size > largest) largest = size;
  }
  return largest;
}

/** Adds gain · source to `target` from sample `at` on; what falls outside is dropped. */
export function mixInto(target: Float32Array, source: Float32Array, at: number, gain: number): void {
  const end = Math.min(source.length, target.length - at);
  for (let i = Math.max(0, -at); i < end; i++) target[at + i] = target[at + i]! + gain * source[i]!;
}

/** Scales down, never up, so that no sample is above `limit`. */
export function limitPeak(samples: Float32Array, limit: number): void {
  const largest = peak(samples);
  if (largest > limit) for (let i = 0; i < samples.length; i++) samples[i] = (samples[i]! * limit) / largest;
}

/** First and one past the last sample whose size is above `share` of the peak; [0, 0] for silence. */
export function activeRegion(samples: Float32Array, share: number): [start: number, end: number] {
  const level = peak(samples) * share;
  if (level === 0) return [0, 0];
  let start = 0;
  while (Math.abs(samples[start]!) <= level) start++;
  let end = samples.length;
  while (Math.abs(samples[end - 1]!) <= level) end--;
  return [start, end];
}

/**
 * `length` samples of a recording repeated end to end, each repetition faded over its predecessor's tail, starting `offset`
 * samples in.
 */
export function tile(samples: Float32Array, length: number, offset: number, fade: number): Float32Array {
  const overlap = Math.min(fade, samples.length >> 1);
  const step = samples.length - overlap;
  const out = new Float32Array(length);
  if (step <= 0) return out;
  const piece = samples.slice();
  for (let i = 0; i < overlap; i++) {
    piece[i] = (piece[i]! * (i + 0.5)) / overlap;
    piece[samples.length - 1 - i] = (piece[samples.length - 1 - i]! * (i + 0.5)) / overlap;
  }
  for (let at = -(offset % step) - step; at < length; at += step) mixInto(out, piece, at, 1);
  return out;
}

/** The beginning of a sound, its last `fade` samples fading to nothing when it was longer. */
export function cutWithFade(samples: Float32Array, length: number, fade: number): Float32Array {
  if (samples.length <= length) return samples;
  const out = samples.slice(0, length);
  for (let i = 0; i < fade; i++) out[length - 1 - i] = (out[length - 1 - i]! * i) / fade;
  return out;
}
