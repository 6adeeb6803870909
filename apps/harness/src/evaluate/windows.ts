/** Windows of one length out of clips of any, as the few-shot audio benchmarks cut them. */

/**
 * audio [N] → windows [length] each, as MetaAudio and MT-SLVR have them: a shorter clip is repeated from its start until it fills one,
 * a longer one is cut into consecutive windows. What is left at its end is repeated likewise.
 */
export function cutWindows(audio: Float32Array, length: number): Float32Array[] {
  const count = Math.max(1, Math.ceil(audio.length / length));
  return Array.from({ length: count }, (_, w) => {
    const part = audio.subarray(w * length, (w + 1) * length);
    if (part.length === length) return part;
    const window = new Float32Array(length);
    for (let i = 0; i < length && part.length > 0; i++) window[i] = part[i % part.length]!;
    return window;
  });
}
