/** Cross entropy of a softmax against whole-number labels, smoothed: Szegedy et al., arXiv 1512.00567v3 §7, as torch has it. */
import { ConfigError, type Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { defineGradient, hasKernel, runKernel } from './kernel.ts';

defineGradient({
  kernel: 'CrossEntropy',
  inputs: ['logits', 'labels'],
  outputs: [false, true],
  gradient: ([dy], saved, attrs) => {
    const [logits, labels, logSum] = saved as [Tensor, Tensor, Tensor];
    return { logits: () => runKernel('CrossEntropyGrad', { logits, labels, logSum, dy: dy! }, attrs)[0]! };
  },
});

/**
 * −(1 − ε)·log p[label] − ε·mean(log p), p = softmax(logits): one number a row; their mean is `torch.nn.functional.cross_entropy` with
 * `label_smoothing` ε.
 * @param logits [M, K]
 * @param labels whole numbers in 0…K−1 [M], int32
 * @param smoothing ε in [0, 1]. Default 0
 * @returns [M]
 */
export function crossEntropy(logits: Tensor, labels: Tensor, smoothing = 0): Tensor {
  if (!(smoothing >= 0 && smoothing <= 1)) throw new ConfigError(`crossEntropy: smoothing ${smoothing} is outside 0…1`);
  if (logits.rank !== 2 || labels.size !== logits.shape[0] || labels.dtype !== 'int32') {
    const found = `[${logits.shape.join(', ')}] and ${labels.dtype} [${labels.shape.join(', ')}]`;
    throw new ConfigError(`crossEntropy: expected logits [M, K] and int32 labels [M], found ${found}`);
  }
  return tf.tidy(() => {
    if (hasKernel('CrossEntropy')) return runKernel('CrossEntropy', { logits, labels }, { smoothing })[0]!;
    return composed(logits, labels, smoothing);
  });
}

/** Keeps the logarithms of the probabilities and the labels. */
function composed(logits: Tensor, labels: Tensor, smoothing: number): Tensor {
  const width = logits.shape[1]!;
  const run = tf.customGrad((...args) => {
    const [z, save] = args as unknown as [Tensor, (kept: Tensor[]) => void];
    const logs = tf.logSoftmax(z);
    const wanted = tf.add(tf.mul(tf.oneHot(labels as never, width), 1 - smoothing), smoothing / width);
    save([logs, labels]);
    const gradFunc = (dy: Tensor, [held, chosen]: Tensor[]) => {
      const target = tf.add(tf.mul(tf.oneHot(chosen as never, width), 1 - smoothing), smoothing / width);
      return tf.mul(tf.sub(tf.exp(held!), target), tf.expandDims(dy, 1));
    };
    return { value: tf.neg(tf.sum(tf.mul(logs, wanted), 1)), gradFunc };
  });
  return run(logits);
}
