/**
 * Log-mixup-exp of BYOL-A: mix another recording in as a faint background, as sound powers add, though the inputs are
 * log-mels: ln((1 − α)·eˣ + α·eᶻ + eps). Niizumi et al., arXiv 2103.06695v2, Eq. 4; z is one of the last 2048 inputs.
 * Where inputs are normalised (all methods here), exp acts on the normalised values, as in the authors' code.
 */
import { ConfigError, DataError, type NdArray, type Rng } from '@unlabel/core';
import { matrixShape } from './shape.ts';

/** float32's epsilon, inside the logarithm. */
const EPSILON = 1.1920928955078125e-7;

export interface MixupOptions {
  /** α is uniform in [0, ratio). Default 0.4 (BYOL-A v1, DeLoRes, ATST); BYOL-A v2 0.2. */
  readonly ratio?: number;
  /** How many inputs back z may lie. Default 2048. */
  readonly memory?: number;
}

/**
 * x [F, T] and a background z [F, T′] → [F, T] with share α of z. A longer z gives the T frames from `offset` on; a shorter
 * one is mixed into x from frame `offset` on, and x is left as it is elsewhere.
 * @throws DataError when bands differ or the offset leaves the longer one
 */
export function logMixupExp(x: NdArray, z: NdArray, alpha: number, offset = 0): NdArray {
  const [F, T] = matrixShape(x, 'logMixupExp');
  const [bands, frames] = matrixShape(z, 'logMixupExp');
  const span = Math.min(T, frames);
  if (bands !== F || !(Number.isInteger(offset) && offset >= 0 && offset + span <= Math.max(T, frames))) {
    throw new DataError(
      `logMixupExp: a background [${bands}, ${frames}] at frame ${offset} does not fit an input [${F}, ${T}].`,
    );
  }
  if (!(alpha >= 0 && alpha <= 1)) throw new ConfigError(`logMixupExp: alpha must lie in 0…1, found ${alpha}.`);
  const data = x.data.slice();
  const [toX, toZ] = frames > T ? [0, offset] : [offset, 0];
  for (let f = 0; f < F; f++) {
    for (let t = 0, at = f * T + toX, from = f * frames + toZ; t < span; t++, at++, from++) {
      data[at] = Math.log((1 - alpha) * Math.exp(data[at]!) + alpha * Math.exp(z.data[from]!) + EPSILON);
    }
  }
  return { data, shape: [F, T] };
}

/**
 * x [F, T] → [F, T] mixed with an earlier input. Nothing is remembered here: `recent(k)` gives the input k positions before
 * (k ≥ 1, un-mixed), `available` how many there are, so that a resumed run mixes the same pairs.
 * The first input of a run passes through unchanged.
 */
export async function mixup(
  x: NdArray,
  recent: (k: number) => Promise<NdArray | undefined> | NdArray | undefined,
  available: number,
  rng: Rng,
  options: MixupOptions = {},
): Promise<NdArray> {
  const { ratio = 0.4, memory = 2048 } = options;
  const alpha = ratio * rng.uniform();
  const reach = Math.min(memory, available);
  if (reach < 1) return x;
  const z = await recent(1 + rng.int(reach));
  if (z === undefined) return x;
  const slack = Math.abs((x.shape[1] ?? 0) - (z.shape[1] ?? 0));
  return logMixupExp(x, z, alpha, slack === 0 ? 0 : rng.int(slack + 1));
}
