/** Arrays outside the engine: what decoders, front-ends, augmentations and stores pass around. */

export type TypedArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** A dense row-major array. `data.length` is the product of `shape`. */
export interface NdArray<Data extends TypedArray = Float32Array> {
  readonly data: Data;
  readonly shape: readonly number[];
}

/**
 * One example as named arrays. The names are fixed so that front-ends and augmentations find them:
 * - `audio` [channels, samples], −1…1 (mono has one channel, binaural two)
 * - `logMel` [bands, frames] or another front-end's output under its own name
 * - `image` [height, width, channels], 0…1;  `frames` [time, height, width, channels]
 * - `series` [channels, time];  `labels` [frames] targets a method has computed for itself
 */
export type Sample = Readonly<Record<string, NdArray>>;

/** Number of elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);
