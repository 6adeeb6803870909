/**
 * The engine's types, for the contracts only: the import is erased, so this package runs without TensorFlow.js and the
 * leaderboard page can share it.
 */
import type * as tfjs from '@tensorflow/tfjs-core';

export type Tensor = tfjs.Tensor;
export type Scalar = tfjs.Scalar;
export type Variable = tfjs.Variable;

/**
 * Parameters and buffers by their torch-compatible name (`features.0.weight`, `bn.running_mean`). In memory convolution
 * kernels lie as the engine wants them (HWIO); `@unlabel/engine` converts to torch's layout on disk.
 */
export type Params = ReadonlyMap<string, Variable>;
/** Tensors of one batch by name; the leading dimension is the batch. */
export type Batch = Readonly<Record<string, Tensor>>;
