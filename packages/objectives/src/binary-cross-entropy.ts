/** Cross entropy of independent yes/no labels with logits, as torch's `BCEWithLogitsLoss`. */
import { ConfigError, type Scalar, type Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';

/** Mean over all elements of relu(x) − x·y + log(1 + exp(−|x|)). logits, labels (0…1) of one shape; labels get no gradient. */
export function binaryCrossEntropy(logits: Tensor, labels: Tensor): Scalar {
  if (logits.shape.join() !== labels.shape.join()) {
    throw new ConfigError(
      `binaryCrossEntropy: logits are [${logits.shape.join(', ')}], labels [${labels.shape.join(', ')}]; expected one shape`,
    );
  }
  const tail = tf.log(tf.add(tf.exp(tf.neg(tf.abs(logits))), 1));
  return tf.mean(tf.add(tf.sub(tf.relu(logits), tf.mul(logits, labels)), tail)) as Scalar;
}
