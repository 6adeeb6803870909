/**
 * Batch normalisation in training: Ioffe and Szegedy, arXiv 1502.03167v3. The batch is normalised by its biased variance, epsilon
 * stands inside the root. Alone, or with the ReLU and 2×2 max pool that follow it in convolution stages.
 */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { defineGradient, hasKernel, runKernel } from './kernel.ts';
import { plus } from './plus.ts';

export interface BatchNormOptions {
  /** Added to the variance inside the root. Default 1e-5. */
  readonly epsilon?: number;
  /** Cuts axis 0 into this many equal runs with statistics of their own (views in one batch). Default 1. */
  readonly groups?: number;
}

/** A type, not an interface: tf.tidy takes records of tensors. */
export type BatchNormResult = {
  readonly y: Tensor;
  /** [C], or [groups, C] when groups were asked for. Not differentiated through. */
  readonly mean: Tensor;
  /** Biased (÷ n), like `mean` in shape. */
  readonly variance: Tensor;
};

for (const kernel of ['BatchNormTrain', 'BatchNormReluPool']) {
  defineGradient({
    kernel,
    inputs: ['x', 'gamma', 'beta'],
    outputs: [false, true, true],
    gradient: ([dy], saved, attrs) => {
      const [x, gamma, beta, mean, variance] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor];
      const [dx, dGamma, dBeta] = runKernel(`${kernel}Grad`, { x, dy: dy!, gamma, beta, mean, variance }, attrs);
      return { x: () => dx!, gamma: () => dGamma!, beta: () => dBeta! };
    },
  });
}

defineGradient({
  kernel: 'BatchNormAddRelu',
  inputs: ['x', 'gamma'],
  outputs: [true, true, true],
  gradient: ([dy], saved, attrs) => {
    const [x, gamma, y, mean, variance] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const inputs = { x, dy: dy!, gamma, mean, variance, y };
    const [dx, dGamma, dBeta, dShortcut] = runKernel('BatchNormAddReluGrad', inputs, attrs);
    return { x: () => dx!, gamma: () => dGamma!, beta: () => dBeta!, shortcut: () => dShortcut! };
  },
});

/**
 * Normalises over all axes but the last: y = (x − mean)/√(variance + ε)·gamma + beta, then ReLU if asked for.
 * @param x […, C], rank ≥ 2
 * @param gamma gain [C], or undefined for 1
 * @param beta offset [C], or undefined for 0
 */
export function batchNormTrain(
  x: Tensor,
  gamma: Tensor | undefined,
  beta: Tensor | undefined,
  options: BatchNormOptions & { readonly relu?: boolean } = {},
): BatchNormResult {
  const { epsilon = 1e-5, groups = 1, relu = false } = options;
  return tf.tidy(() => {
    if (hasKernel('BatchNormTrain')) return fused('BatchNormTrain', { x }, gamma, beta, options, { relu });
    const [gain, offset] = affine(x, gamma, beta);
    return shaped(composed(x, gain, offset, epsilon, groups, relu), options.groups);
  });
}

/**
 * The end of a residual block: ReLU of a batch norm plus a shortcut of x's shape.
 * @param x […, C], rank ≥ 2
 */
export function batchNormAddRelu(
  x: Tensor,
  shortcut: Tensor,
  gamma: Tensor | undefined,
  beta: Tensor | undefined,
  options: BatchNormOptions = {},
): BatchNormResult {
  return tf.tidy(() => {
    if (hasKernel('BatchNormAddRelu')) return fused('BatchNormAddRelu', { x, shortcut }, gamma, beta, options);
    const { y, mean, variance } = batchNormTrain(x, gamma, beta, options);
    return { y: tf.relu(plus(y, shortcut)), mean, variance };
  });
}

/**
 * Batch norm, ReLU and a 2×2 max pool with stride 2 in one: an odd last row or column is outside the pool but part of the
 * statistics, as when composed. x [N, H, W, C], H and W ≥ 2 → y [N, ⌊H/2⌋, ⌊W/2⌋, C]
 */
export function batchNormReluPool(
  x: Tensor,
  gamma: Tensor | undefined,
  beta: Tensor | undefined,
  options: BatchNormOptions = {},
): BatchNormResult {
  return tf.tidy(() => {
    if (hasKernel('BatchNormReluPool')) return fused('BatchNormReluPool', { x }, gamma, beta, options);
    const { y, mean, variance } = batchNormTrain(x, gamma, beta, { ...options, relu: true });
    return { y: tf.maxPool(y as ReturnType<typeof tf.tensor4d>, 2, 2, 'valid'), mean, variance };
  });
}

/** One of the kernels above: a batch norm of `inputs.x` and what follows it. */
function fused(
  kernel: string,
  inputs: { readonly x: Tensor; readonly shortcut?: Tensor },
  gamma: Tensor | undefined,
  beta: Tensor | undefined,
  options: BatchNormOptions,
  attrs: { readonly relu?: boolean } = {},
): BatchNormResult {
  const { epsilon = 1e-5, groups = 1 } = options;
  const [gain, offset] = affine(inputs.x, gamma, beta);
  const [y, mean, variance] = runKernel(
    kernel,
    { ...inputs, gamma: gain, beta: offset },
    { epsilon, groups, ...attrs },
  );
  return shaped({ y: y!, mean: mean!, variance: variance! }, options.groups);
}

function affine(x: Tensor, gamma: Tensor | undefined, beta: Tensor | undefined): [Tensor, Tensor] {
  const width = x.shape.at(-1)!;
  return [gamma ?? tf.ones([width]), beta ?? tf.zeros([width])];
}

/** [G, C] statistics as the caller sees them. */
function shaped({ y, mean, variance }: BatchNormResult, groups: number | undefined): BatchNormResult {
  if (groups !== undefined) return { y, mean, variance };
  const width = y.shape.at(-1)!;
  return { y, mean: tf.reshape(mean, [width]), variance: tf.reshape(variance, [width]) };
}

/** The same from TensorFlow.js operations, whose own gradients make the gradient. */
function composed(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  epsilon: number,
  groups: number,
  relu: boolean,
): BatchNormResult {
  const width = x.shape.at(-1)!;
  const rows = tf.reshape(x, [groups, -1, width]); // [G, n, C]
  const mean = tf.mean(rows, 1, true);
  const centered = tf.sub(rows, mean);
  const variance = tf.mean(tf.square(centered), 1, true);
  const normal = tf.mul(centered, tf.rsqrt(tf.add(variance, epsilon)));
  const y = tf.reshape(tf.add(tf.mul(normal, gamma), beta), x.shape);
  const shape = [groups, width];
  return { y: relu ? tf.relu(y) : y, mean: tf.reshape(mean, shape), variance: tf.reshape(variance, shape) };
}
