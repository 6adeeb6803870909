/** Maximum plus mean over time: how AudioNTT (BYOL-A, arXiv 2103.06695v2, §III-B) makes one vector of a clip's frames. */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { defineGradient, hasKernel, runKernel } from './kernel.ts';

defineGradient({
  kernel: 'MaxMeanTime',
  inputs: ['x'],
  gradient: ([dy], [x]) => ({ x: () => runKernel('MaxMeanTimeGrad', { x: x!, dy: dy! }, {})[0]! }),
});

/** x [B, T, D] → max over T + mean over T, [B, D]. Of equal maxima the first takes the gradient. */
export function maxMeanTime(x: Tensor): Tensor {
  return tf.tidy(() => {
    if (hasKernel('MaxMeanTime')) return runKernel('MaxMeanTime', { x }, {})[0]!;
    return tf.add(firstMax(x), tf.mean(x, 1));
  });
}

/** tf.max over axis 1, whose own gradient would go to every one of equal maxima. */
function firstMax(x: Tensor): Tensor {
  const op = tf.customGrad((...args) => {
    const [input, save] = args as [Tensor, (saved: Tensor[]) => void];
    save([input]);
    const gradFunc = (dy: Tensor, [held]: Tensor[]) => {
      const choice = tf.oneHot(tf.argMax(held!, 1), held!.shape[1]!); // [B, D, T]
      return tf.mul(tf.transpose(choice, [0, 2, 1]), tf.expandDims(dy, 1));
    };
    return { value: tf.max(input, 1), gradFunc };
  });
  return op(x);
}
