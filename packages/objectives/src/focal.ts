/**
 * Focal loss: binary cross entropy in which what is easy counts little.
 *
 * Lin, Goyal, Girshick, He, Dollár, "Focal Loss for Dense Object Detection", ICCV 2017, arXiv 1708.02002v2, Eq. 5; numbers as
 * torchvision.ops.sigmoid_focal_loss 0.29.
 *
 * Legend: N places, K classes.
 */
import { ConfigError, type Scalar, type Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';

export interface FocalOptions {
  /** Weight of positives; 1 − α of negatives. Default 0.25. */
  readonly alpha?: number;
  /** Exponent of 1 − p_t. Default 2. */
  readonly gamma?: number;
}

/** Sum over all of logits and targets (0 or 1), both [N, K]. Call inside `tf.tidy`. */
export function focalLoss(logits: Tensor, targets: Tensor, { alpha = 0.25, gamma = 2 }: FocalOptions = {}): Scalar {
  if (logits.shape.join() !== targets.shape.join())
    throw new ConfigError(
      `focalLoss: logits are [${logits.shape.join(', ')}], targets [${targets.shape.join(', ')}]; expected equal shapes`,
    );
  const signs = tf.sub(tf.mul(targets, 2), 1);
  const margin = tf.mul(logits, signs); // p_t = σ(margin)
  const crossEntropy = tf.softplus(tf.neg(margin)); // −log p_t
  const hard = tf.pow(tf.sigmoid(tf.neg(margin)), gamma); // (1 − p_t)^γ
  const weight = tf.add(tf.mul(targets, 2 * alpha - 1), 1 - alpha);
  return tf.sum(tf.mul(weight, tf.mul(hard, crossEntropy)));
}
