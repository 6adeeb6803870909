/** A convolution stage, conv → batch norm → ReLU → 2×2 max pool, in training and in evaluation. */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { batchNormReluPool, type BatchNormOptions, type BatchNormResult } from './batch-norm.ts';
import { hasKernel, runKernel } from './kernel.ts';

type Image = ReturnType<typeof tf.tensor4d>;

export interface ConvStageWeights {
  /** [h, w, in, out] */
  readonly kernel: Tensor;
  /** [out] */
  readonly bias?: Tensor | undefined;
  /** Batch norm's gain and offset, [out]. */
  readonly gamma: Tensor;
  readonly beta: Tensor;
}

/**
 * The stage in training; stride 1, zeros around so that sizes stay. x [N, H, W, in] → y [N, ⌊H/2⌋, ⌊W/2⌋, out].
 *
 * Batch norm takes a bias before it away again, so it is not added: it only moves the mean that is returned (for the running
 * mean), and its gradient is zero, exactly where a composition has rounding noise.
 */
export function convStageTrain(x: Tensor, weights: ConvStageWeights, options: BatchNormOptions = {}): BatchNormResult {
  const { kernel, bias, gamma, beta } = weights;
  return tf.tidy(() => {
    const h = tf.conv2d(x as Image, kernel as Image, 1, 'same');
    const offset = bias ? tf.add(beta, tf.mul(bias, 0)) : beta; // the zero puts the bias on the tape, so that decay reaches it
    const { y, mean, variance } = batchNormReluPool(h, gamma, offset, options);
    return { y, mean: bias ? tf.add(mean, bias) : mean, variance };
  });
}

export interface ConvStageStatistics {
  /** Running mean and variance, [out]. */
  readonly mean: Tensor;
  readonly variance: Tensor;
  readonly epsilon?: number;
}

/** The stage in evaluation: batch norm is one gain and one offset a channel, with the convolution's bias in the offset. */
export function convStageEval(x: Tensor, weights: ConvStageWeights, statistics: ConvStageStatistics): Tensor {
  const { kernel, bias, gamma, beta } = weights;
  const { mean, variance, epsilon = 1e-5 } = statistics;
  return tf.tidy(() => {
    const scale = tf.mul(gamma, tf.rsqrt(tf.add(variance, epsilon)));
    const centered = bias ? tf.sub(bias, mean) : tf.neg(mean);
    return affineReluPool(
      tf.conv2d(x as Image, kernel as Image, 1, 'same'),
      scale,
      tf.add(beta, tf.mul(centered, scale)),
    );
  });
}

/** max(0, largest of each 2×2 window of x·scale + offset). x [N, H, W, C] → [N, ⌊H/2⌋, ⌊W/2⌋, C] */
export function affineReluPool(x: Tensor, scale: Tensor, offset: Tensor): Tensor {
  return tf.tidy(() => {
    // The kernel is for evaluation and has no gradient.
    const isRecorded = tf.engine().state.gradientDepth > 0;
    if (hasKernel('AffineReluPool') && !isRecorded) return runKernel('AffineReluPool', { x, scale, offset }, {})[0]!;
    return tf.maxPool(tf.relu(tf.add(tf.mul(x, scale), offset)) as Image, 2, 2, 'valid');
  });
}
