/**
 * Keeping a network near its frozen former self while it learns something else: two distances between its features and the frozen ones.
 *
 * Vasudevan, Dai, Van Gool, "Multi-Task Self-Supervised Learning for Audio-Visual Scenes", arXiv 2201.01046: names both, gives no
 * formula, and its code is unpublished. Euclidean: between features of unit length. Contrastive: InfoNCE (arXiv 1807.03748v2, Eq. 4)
 * in the batch, as in Tian, Krishnan, Isola, "Contrastive Representation Distillation", arXiv 1910.10699v3, without its memory.
 *
 * Legend: B rows, D width; f the features of the network, f* of the frozen one.
 */
import { ConfigError, type Scalar, type Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';
import { unitRows } from './info-nce.ts';

/** Mean over rows of the squared distance of f/‖f‖ and f* /‖f*‖: 0…4. f, f* [B, D]. Pass f* without gradient. */
export function euclideanDistillation(f: Tensor, frozen: Tensor): Scalar {
  checkShapes(f, frozen);
  const difference = tf.sub(unitRows(f), unitRows(frozen));
  return tf.mean(tf.sum(tf.square(difference), 1)) as Scalar;
}

/**
 * Mean over rows i of −log softmax_j(cos(f_i, f*_j)/τ) at j = i: a row must find its own frozen feature among those of the batch.
 * f, f* [B, D], B ≥ 2. Pass f* without gradient.
 */
export function contrastiveDistillation(f: Tensor, frozen: Tensor, temperature: number): Scalar {
  checkShapes(f, frozen);
  if (!(temperature > 0))
    throw new ConfigError(`contrastiveDistillation: temperature ${temperature}; expected a number above 0`);
  const [u, v] = [unitRows(f), unitRows(frozen)];
  const logits = tf.div(tf.matMul(u, v, false, true), temperature); // [B, B]
  const own = tf.div(tf.sum(tf.mul(u, v), 1), temperature); // [B]
  return tf.mean(tf.sub(tf.logSumExp(logits, 1), own)) as Scalar;
}

function checkShapes(f: Tensor, frozen: Tensor): void {
  if (f.rank === 2 && f.shape.join() === frozen.shape.join()) return;
  throw new ConfigError(
    `distillation: features are [${f.shape.join(', ')}] and [${frozen.shape.join(', ')}]; expected two equal [B, D]`,
  );
}
