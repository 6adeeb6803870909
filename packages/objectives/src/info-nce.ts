/**
 * InfoNCE against a queue of negatives.
 *
 * [0] van den Oord, Li, Vinyals, "Representation Learning with Contrastive Predictive Coding", arXiv 1807.03748v2 (Eq. 4).
 * [1] He, Fan, Wu, Xie, Girshick, "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020, arXiv
 *     1911.05722v3 (Eq. 1, Algorithm 1).
 *
 * Legend: B rows, D width, K negatives.
 */
import { ConfigError, type Scalar, type Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';

export interface InfoNceInputs {
  /** Queries [B, D], of unit length. */
  readonly q: Tensor;
  /** Their positive keys [B, D], of unit length; pass them without gradient. */
  readonly k: Tensor;
  /** Negatives as columns [D, K]. */
  readonly queue: Tensor;
  /** τ */
  readonly temperature: number;
}

/** [q·k⁺, q·queue]/τ → logits [B, 1 + K]; mean cross entropy against class 0. */
export function infoNce({ q, k, queue, temperature }: InfoNceInputs): { loss: Scalar; logits: Tensor } {
  if (!(temperature > 0)) throw new ConfigError(`infoNce: temperature ${temperature}; expected a number above 0`);
  const positive = tf.sum(tf.mul(q, k), 1, true); // [B, 1]
  const logits = tf.div(tf.concat([positive, tf.matMul(q, queue)], 1), temperature);
  return {
    loss: tf.mean(tf.sub(tf.logSumExp(logits, 1), tf.div(tf.squeeze(positive, [1]), temperature))) as Scalar,
    logits,
  };
}

/** Rows of unit length: x/max(‖x‖, 1e-12), as torch's `normalize`. x [B, D] */
export function unitRows(x: Tensor): Tensor {
  const square = tf.sum(tf.square(x), -1, true);
  return tf.mul(x, tf.rsqrt(tf.maximum(square, 1e-24)));
}
