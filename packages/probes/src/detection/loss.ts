/**
 * The detection probe's loss: focal loss of the classes at all places, GIoU loss of the boxes and binary cross entropy of the
 * centerness at places with a box, each over the number of these, added: FCOS Eq. 2 as torchvision.models.detection.fcos 0.29.
 *
 * Legend: N places of a batch, K classes.
 */
import type { Scalar, Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';
import { focalLoss, giouLoss } from '@unlabel/objectives';

export interface DetectionOutputs {
  /** Logits [N, K]. */
  readonly classes: Tensor;
  /** Distances to the left, upper, right, lower side, in pixels [N, 4]. */
  readonly distances: Tensor;
  /** Logits [N]. */
  readonly centerness: Tensor;
}

/** `DetectionTargets` as tensors, and the places they are of. */
export interface TargetTensors {
  /** [N, K] */
  readonly classes: Tensor;
  /** [N, 4] */
  readonly boxes: Tensor;
  /** [N] */
  readonly centerness: Tensor;
  /** [N] */
  readonly isObject: Tensor;
  /** Centers, x and y twice [N, 4]. */
  readonly centers: Tensor;
  /** Places with a box; at least 1 is divided by. */
  readonly objects: number;
}

export interface DetectionLosses {
  readonly classes: Scalar;
  readonly boxes: Scalar;
  readonly centerness: Scalar;
}

/** −1 to the left and above, 1 to the right and below. */
const outwards = [-1, -1, 1, 1];

/** The three parts. Call inside `tf.tidy`. */
export function detectionLosses(
  outputs: DetectionOutputs,
  targets: TargetTensors,
  { focalAlpha: alpha, focalGamma: gamma }: { readonly focalAlpha: number; readonly focalGamma: number },
): DetectionLosses {
  const { isObject, objects } = targets;
  const share = 1 / Math.max(1, objects);
  const boxes = tf.add(targets.centers, tf.mul(outputs.distances, outwards)); // [N, 4]
  // −y·log σ(x) − (1 − y)·log(1 − σ(x))
  const crossEntropy = tf.sub(tf.softplus(outputs.centerness), tf.mul(outputs.centerness, targets.centerness));
  return {
    classes: tf.mul(focalLoss(outputs.classes, targets.classes, { alpha, gamma }), share),
    boxes: tf.mul(tf.sum(tf.mul(giouLoss(boxes, targets.boxes), isObject)), share),
    centerness: tf.mul(tf.sum(tf.mul(crossEntropy, isObject)), share),
  };
}
