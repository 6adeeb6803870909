/**
 * Initial values in torch's layout ([out, in, …kernel]), drawn from our generator, so that every engine starts equal. Each
 * function says which torch initialiser it matches in distribution; the draws themselves are ours.
 */
import { fmix32, sizeOf, type NdArray, type Rng } from '@unlabel/core';

function fill(shape: readonly number[], value: () => number): NdArray {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = value();
  return { data, shape };
}

export const zeros = (shape: readonly number[]): NdArray => fill(shape, () => 0);
export const ones = (shape: readonly number[]): NdArray => fill(shape, () => 1);

/** U(±bound): a hash of one draw and the position, because networks have millions of these. */
export function uniform(shape: readonly number[], bound: number, rng: Rng): NdArray {
  const data = new Float32Array(sizeOf(shape));
  const base = fmix32(rng.int(2 ** 32));
  for (let i = 0; i < data.length; i++) data[i] = bound * (fmix32(base + Math.imul(i, 0x9e3779b9)) / 2147483648 - 1);
  return { data, shape };
}

export const normal = (shape: readonly number[], std: number, rng: Rng): NdArray =>
  fill(shape, () => std * rng.normal());

/** Inputs of one output: the product of shape[1:]. */
export const fanInOf = (shape: readonly number[]): number => sizeOf(shape.slice(1));
/** Outputs one input reaches: shape[0] times the kernel. */
export const fanOutOf = (shape: readonly number[]): number => (shape[0] ?? 1) * sizeOf(shape.slice(2));

/** Default of torch's `nn.Linear` and `nn.Conv*`: `kaiming_uniform_(a=√5)`, that is U(±1/√fanIn). */
export const kaimingUniform = (shape: readonly number[], rng: Rng): NdArray =>
  uniform(shape, 1 / Math.sqrt(fanInOf(shape)), rng);

/** Default bias of the same layers: U(±1/√fanIn) of their weight. */
export const defaultBias = (weightShape: readonly number[], rng: Rng): NdArray =>
  uniform([weightShape[0] ?? 1], 1 / Math.sqrt(fanInOf(weightShape)), rng);

/** `kaiming_normal_`: std = gain/√fan, gain √2 for ReLU. */
export const kaimingNormal = (shape: readonly number[], rng: Rng, mode: 'fanIn' | 'fanOut' = 'fanIn'): NdArray =>
  normal(shape, Math.sqrt(2 / (mode === 'fanIn' ? fanInOf(shape) : fanOutOf(shape))), rng);

/** `xavier_uniform_`: U(±√(6/(fanIn + fanOut))). */
export const xavierUniform = (shape: readonly number[], rng: Rng): NdArray =>
  uniform(shape, Math.sqrt(6 / (fanInOf(shape) + fanOutOf(shape))), rng);

/** `xavier_normal_`: std √(2/(fanIn + fanOut)). */
export const xavierNormal = (shape: readonly number[], rng: Rng): NdArray =>
  normal(shape, Math.sqrt(2 / (fanInOf(shape) + fanOutOf(shape))), rng);

/**
 * `trunc_normal_` with cut-offs at ±`cut` (an absolute value, torch's default 2), what is cut off drawn again. Marsaglia's polar method on
 * hashes of a counter that one draw starts, because networks have millions of these.
 */
export function truncNormal(shape: readonly number[], std: number, rng: Rng, cut = 2): NdArray {
  const data = new Float32Array(sizeOf(shape));
  let counter = fmix32(rng.int(2 ** 32));
  const next = (): number => fmix32((counter = (counter + 0x9e3779b9) | 0)) / 2147483648 - 1; // in [−1, 1)
  for (let i = 0; i < data.length;) {
    const [x, y] = [next(), next()];
    const square = x * x + y * y;
    if (square >= 1 || square === 0) continue;
    const scale = std * Math.sqrt((-2 * Math.log(square)) / square);
    if (Math.abs(x * scale) <= cut) data[i++] = x * scale;
    if (Math.abs(y * scale) <= cut && i < data.length) data[i++] = y * scale;
  }
  return { data, shape };
}
