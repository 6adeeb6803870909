/**
 * Cross entropy with class labels, smoothed: Szegedy et al., arXiv 1512.00567v3 §7, as torch's `F.cross_entropy(label_smoothing=ε)`.
 *
 * Legend: R rows, C classes.
 */
import { ConfigError, type Scalar, type Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';

export interface LabelCrossEntropyOptions {
  /** ε: the share of the target that is spread evenly over all classes. Default 0. */
  readonly smoothing?: number;
}

/**
 * −(1 − ε)·log p(label) − ε/C·Σ log p, mean over rows, in nats. One operation on the tape, which keeps the logits' softmax and the labels.
 * @param logits [R, C]
 * @param labels [R], int32 in 0…C−1
 */
export function labelCrossEntropy(logits: Tensor, labels: Tensor, options: LabelCrossEntropyOptions = {}): Scalar {
  const { smoothing = 0 } = options;
  const [rows = 0, classes = 0] = logits.shape;
  if (logits.rank !== 2 || labels.rank !== 1 || labels.shape[0] !== rows)
    throw new ConfigError(
      `labelCrossEntropy: logits are [${logits.shape.join(', ')}] and labels [${labels.shape.join(', ')}]; expected [R, C] and [R]`,
    );
  if (!(smoothing >= 0 && smoothing < 1)) throw new ConfigError(`labelCrossEntropy: smoothing ${smoothing}`);
  const run = tf.customGrad((...args) => {
    const [x, save] = args as unknown as [Tensor, (kept: Tensor[]) => void];
    const target = smoothed(labels, classes, smoothing);
    const logProbabilities = tf.logSoftmax(x);
    save([tf.exp(logProbabilities), labels]);
    const loss = tf.neg(tf.div(tf.sum(tf.mul(target, logProbabilities)), rows));
    return {
      value: loss,
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const [probabilities, held] = saved as [Tensor, Tensor];
        return tf.mul(tf.sub(probabilities, smoothed(held, classes, smoothing)), tf.div(dy, rows));
      },
    };
  });
  return run(logits) as Scalar;
}

/** (1 − ε)·one-hot + ε/C [R, C] */
function smoothed(labels: Tensor, classes: number, smoothing: number): Tensor {
  const chosen = tf.cast(tf.oneHot(labels, classes), 'float32'); // WASM's one-hot gives integers only
  return smoothing === 0 ? chosen : tf.add(tf.mul(chosen, 1 - smoothing), smoothing / classes);
}

/** Share of rows whose largest logit is the label's. */
export const labelAccuracy = (logits: Tensor, labels: Tensor): Scalar =>
  tf.mean(tf.cast(tf.equal(tf.argMax(logits, 1), labels), 'float32')) as Scalar;
