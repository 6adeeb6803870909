/** The end of a residual branch: a sum of which the tape keeps nothing. */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';

/**
 * x + y, of one shape. TensorFlow.js' own sum keeps both on the tape, for their shapes.
 */
export function plus(x: Tensor, y: Tensor): Tensor {
  const run = tf.customGrad((...args) => {
    const [a, b] = args as unknown as [Tensor, Tensor];
    return { value: tf.add(a, b), gradFunc: (dy: Tensor) => [tf.clone(dy), tf.clone(dy)] };
  });
  return run(x, y);
}

/** x whose rows are multiplied by constants, of which the tape keeps those alone. x [B, …], factors [B] */
export function scaleRows(x: Tensor, factors: Tensor): Tensor {
  const across = tf.reshape(factors, [x.shape[0]!, ...x.shape.slice(1).map(() => 1)]);
  const run = tf.customGrad((...args) => {
    const [h, save] = args as unknown as [Tensor, (kept: Tensor[]) => void];
    save([across]);
    return { value: tf.mul(h, across), gradFunc: (dy: Tensor, [held]: Tensor[]) => tf.mul(dy, held!) };
  });
  return run(x);
}
