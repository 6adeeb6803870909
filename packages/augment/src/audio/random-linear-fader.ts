/**
 * Random linear fader of BYOL-A v2: a ramp over time is added to a log-mel, so that a sound swells or fades. Niizumi et al.,
 * "BYOL for audio: exploring pre-trained general-purpose audio representations", arXiv 2204.07402v3, §IV-B; also used by
 * Audio Barlow Twins.
 */
import type { NdArray, Rng } from '@unlabel/core';
import { matrixShape } from './shape.ts';

/** x [F, T] plus the straight line from `head` (first frame) to `tail` (last frame). One frame gets `head`. */
export function linearFader(x: NdArray, head: number, tail: number): NdArray {
  const [F, T] = matrixShape(x, 'linearFader');
  const step = T > 1 ? (tail - head) / (T - 1) : 0;
  const data = new Float32Array(F * T);
  for (let f = 0, at = 0; f < F; f++) for (let t = 0; t < T; t++, at++) data[at] = x.data[at]! + head + t * step;
  return { data, shape: [F, T] };
}

/** x [F, T] → [F, T] with both ends of the ramp uniform in [−gain, gain). */
export function randomLinearFader(x: NdArray, rng: Rng, gain = 1): NdArray {
  const head = rng.range(-gain, gain);
  return linearFader(x, head, rng.range(-gain, gain));
}
