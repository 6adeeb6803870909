/**
 * Generalized IoU loss of pairs of boxes: 1 − IoU + the share of the enclosing box that neither covers.
 *
 * Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019, arXiv 1902.09630v2, Alg. 1; numbers as
 * torchvision.ops.generalized_box_iou_loss 0.29.
 *
 * Legend: N pairs of boxes [x1, y1, x2, y2], x1 ≤ x2, y1 ≤ y2.
 */
import { ConfigError, type Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';

const EPS = 1e-7;

/** Losses [N], 0 … 2, of predicted and target boxes, both [N, 4]. Call inside `tf.tidy`. */
export function giouLoss(predicted: Tensor, target: Tensor): Tensor {
  if (predicted.rank !== 2 || predicted.shape[1] !== 4 || predicted.shape.join() !== target.shape.join())
    throw new ConfigError(
      `giouLoss: boxes are [${predicted.shape.join(', ')}] and [${target.shape.join(', ')}]; expected two equal [N, 4]`,
    );
  const [low, high] = tf.split(predicted, 2, 1) as [Tensor, Tensor];
  const [targetLow, targetHigh] = tf.split(target, 2, 1) as [Tensor, Tensor];
  const area = (from: Tensor, to: Tensor): Tensor => tf.prod(tf.relu(tf.sub(to, from)), 1);
  const overlap = area(tf.maximum(low, targetLow), tf.minimum(high, targetHigh));
  const union = tf.sub(tf.add(area(low, high), area(targetLow, targetHigh)), overlap);
  const hull = area(tf.minimum(low, targetLow), tf.maximum(high, targetHigh));
  const iou = tf.div(overlap, tf.add(union, EPS));
  return tf.sub(1, tf.sub(iou, tf.div(tf.sub(hull, union), tf.add(hull, EPS))));
}
