/**
 * Batch normalisation over all axes but the last: Ioffe and Szegedy, arXiv 1502.03167v3, with torch's conventions: the batch is
 * normalised by its biased variance, the running variance follows the unbiased one, eps stands inside the root.
 */
import type { Params, Tensor, Variable } from '@unlabel/core';
import { batchNormAddRelu, batchNormTrain, init, parameter, tf, withoutGradient } from '@unlabel/engine';
import type { Layer, LayerOptions } from './layer.ts';

export interface BatchNormOptions {
  /** Learned gain and offset. Default true. */
  readonly isAffine?: boolean;
  /** The offset of the two. Default true. */
  readonly hasOffset?: boolean;
  /** Share of a batch in the running statistics. Default 0.1. */
  readonly momentum?: number;
  /** Default 1e-5. */
  readonly eps?: number;
  /** A ReLU behind it, in the same pass. Default false. */
  readonly relu?: boolean;
}

export interface BatchNorm extends Layer {
  readonly weight: Variable | undefined;
  readonly bias: Variable | undefined;
  readonly mean: Variable;
  readonly variance: Variable;
  readonly eps: number;
  /** ReLU of the norm of x plus a shortcut of its shape, in training: the end of a residual block. */
  addRelu(x: Tensor, shortcut: Tensor, options: LayerOptions): Tensor;
  /** Moves the running statistics towards those of a batch, for callers that normalise in an operation of their own. */
  updateRunning(moments: Moments, count: number): void;
}

export interface Moments {
  /** [C], or [G, C] of G groups of rows in the order they were seen. */
  readonly mean: Tensor;
  /** Biased. */
  readonly variance: Tensor;
}

/** x […, C] → same shape; parameters `weight`, `bias`, buffers `running_mean`, `running_var`, all [C]. */
export function batchNorm(width: number, options: BatchNormOptions = {}): BatchNorm {
  const { isAffine = true, hasOffset = true, momentum = 0.1, eps = 1e-5, relu = false } = options;
  const weight = isAffine ? parameter(init.ones([width])) : undefined;
  const bias = isAffine && hasOffset ? parameter(init.zeros([width])) : undefined;
  const mean = parameter(init.zeros([width]), { trainable: false });
  const variance = parameter(init.ones([width]), { trainable: false });
  const params: Params = new Map([
    ...(weight ? [['weight', weight] as const] : []),
    ...(bias ? [['bias', bias] as const] : []),
    ['running_mean', mean],
    ['running_var', variance],
  ]);
  const updateRunning = (moments: Moments, count: number): void => {
    follow(mean, moments.mean, momentum, 1);
    follow(variance, moments.variance, momentum, count / Math.max(1, count - 1));
  };
  const optionsOf = (groups: number | undefined) => ({ epsilon: eps, ...(groups === undefined ? {} : { groups }) });
  return {
    params,
    weight,
    bias,
    mean,
    variance,
    eps,
    updateRunning,
    forward(x, { training, groups }) {
      if (!training) {
        const inverse = tf.rsqrt(tf.add(variance, eps));
        const scale = weight ? tf.mul(inverse, weight) : inverse;
        const shift = tf.mul(mean, scale);
        const y = tf.add(tf.mul(x, scale), bias ? tf.sub(bias, shift) : tf.neg(shift));
        return relu ? tf.relu(y) : y;
      }
      const batch = batchNormTrain(x, weight, bias, { ...optionsOf(groups), relu });
      updateRunning(batch, x.size / width / (groups ?? 1));
      return batch.y;
    },
    addRelu(x, shortcut, { groups }) {
      const batch = batchNormAddRelu(x, shortcut, weight, bias, optionsOf(groups));
      updateRunning(batch, x.size / width / (groups ?? 1));
      return batch.y;
    },
  };
}

/** running ← (1 − m)·running + m·scale·batch, group by group; outside the gradient. */
function follow(running: Variable, batch: Tensor, momentum: number, scale: number): void {
  withoutGradient(() =>
    tf.tidy(() => {
      let next: Tensor = running;
      for (const group of batch.rank === 1 ? [batch] : tf.unstack(batch)) {
        next = tf.add(tf.mul(next, 1 - momentum), tf.mul(group, momentum * scale));
      }
      running.assign(next);
    }),
  );
}
