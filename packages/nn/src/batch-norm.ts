/**
 * Batch normalisation over all axes but the last: Ioffe and Szegedy, arXiv 1502.03167v3, with torch's conventions: the batch is
 * normalised by its biased variance, the running variance follows the unbiased one, eps stands inside the root.
 */
import type { Tensor, Variable } from '@unlabel/core';
import { init, parameter, tf, withoutGradient } from '@unlabel/engine';
import type { Layer } from './layer.ts';

export interface BatchNormOptions {
  /** Learned gain and offset. Default true. */
  readonly isAffine?: boolean;
  /** Share of a batch in the running statistics. Default 0.1. */
  readonly momentum?: number;
  /** Default 1e-5. */
  readonly eps?: number;
}

/** x […, C] → same shape; parameters `weight`, `bias`, buffers `running_mean`, `running_var`, all [C]. */
export function batchNorm(width: number, options: BatchNormOptions = {}): Layer {
  const { isAffine = true, momentum = 0.1, eps = 1e-5 } = options;
  const weight = isAffine ? parameter(init.ones([width])) : undefined;
  const bias = isAffine ? parameter(init.zeros([width])) : undefined;
  const mean = parameter(init.zeros([width]), { trainable: false });
  const variance = parameter(init.ones([width]), { trainable: false });
  const affine: [string, Variable][] = weight && bias ? [['weight', weight], ['bias', bias]] : []; // prettier-ignore
  return {
    params: new Map([...affine, ['running_mean', mean], ['running_var', variance]]),
    forward(x, { training }) {
      if (!training) {
        const { scale, shift } = foldedBatchNorm({ weight, bias, mean, variance, eps });
        return tf.add(tf.mul(x, scale), shift);
      }
      const count = x.size / width;
      const batch = batchMoments(x);
      updateRunning(mean, batch.mean, momentum);
      updateRunning(variance, batch.variance, momentum, count / Math.max(1, count - 1));
      return normalizeBatch(x, batch, eps, weight, bias);
    },
  };
}

export interface BatchNormState {
  readonly weight?: Tensor | undefined;
  readonly bias?: Tensor | undefined;
  readonly mean: Tensor;
  readonly variance: Tensor;
  readonly eps: number;
}

/** Evaluation as one gain and one offset a channel: y = x·scale + shift. */
export function foldedBatchNorm({ weight, bias, mean, variance, eps }: BatchNormState): {
  scale: Tensor;
  shift: Tensor;
} {
  const inverse = tf.rsqrt(tf.add(variance, eps));
  const scale = weight ? tf.mul(inverse, weight) : inverse;
  const shift = tf.neg(tf.mul(mean, scale));
  return { scale, shift: bias ? tf.add(shift, bias) : shift };
}

export interface Moments {
  readonly mean: Tensor;
  /** Biased. */
  readonly variance: Tensor;
}

const rowsOf = (x: Tensor): Tensor => (x.rank === 2 ? x : tf.reshape(x, [-1, x.shape.at(-1)!]));

/** Mean and biased variance of each channel, constant to any gradient (`normalizeBatch` differentiates through them itself). */
export function batchMoments(x: Tensor): Moments {
  return withoutGradient(() => tf.moments(rowsOf(x), 0));
}

/** running ← (1 − m)·running + m·scale·batch; outside the gradient. */
export function updateRunning(running: Variable, batch: Tensor, momentum: number, scale = 1): void {
  withoutGradient(() =>
    tf.tidy(() => running.assign(tf.add(tf.mul(running, 1 - momentum), tf.mul(batch, momentum * scale)))),
  );
}

/**
 * (x − mean)/√(variance + eps)·weight + bias with x's own moments. One gradient for the whole, which keeps x alone: with
 * x̂ the normalised input, dx = w/σ·(dy − ⟨dy⟩ − x̂·⟨dy·x̂⟩).
 */
export function normalizeBatch(x: Tensor, moments: Moments, eps: number, weight?: Tensor, bias?: Tensor): Tensor {
  const width = x.shape.at(-1)!;
  const { mean, variance } = moments;
  const gain = weight ?? tf.ones([width]);
  const offset = bias ?? tf.zeros([width]);
  const op = tf.customGrad((...args) => {
    const [input, w, b, save] = args as [Tensor, Tensor, Tensor, (saved: Tensor[]) => void];
    const inverse = tf.rsqrt(tf.add(variance, eps));
    const scale = tf.mul(inverse, w);
    const value = tf.add(tf.mul(input, scale), tf.sub(b, tf.mul(mean, scale)));
    save([input, w, mean, inverse]);
    const gradFunc = (dy: Tensor, saved: Tensor[]) => {
      const [held, heldGain, heldMean, heldInverse] = saved as [Tensor, Tensor, Tensor, Tensor];
      const rows = rowsOf(dy);
      const centered = tf.sub(rowsOf(held), heldMean);
      const sums = tf.sum(rows, 0);
      const products = tf.mul(tf.sum(tf.mul(rows, centered), 0), heldInverse); // Σ dy·x̂
      const n = rows.shape[0]!;
      const slope = tf.mul(products, tf.div(heldInverse, n));
      const inner = tf.sub(tf.sub(rows, tf.div(sums, n)), tf.mul(centered, slope));
      const dx = tf.reshape(tf.mul(inner, tf.mul(heldGain, heldInverse)), held.shape);
      return [dx, products, sums];
    };
    return { value, gradFunc };
  });
  return op(x, gain, offset);
}
