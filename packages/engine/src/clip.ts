/** Clipping the global norm of gradients. */
import type { Scalar, Tensor } from '@unlabel/core';
import { tf } from './backend.ts';

/** √Σ‖g‖² over all gradients, a scalar the caller disposes. */
export function globalNorm(grads: ReadonlyMap<string, Tensor>): Scalar {
  return tf.tidy(() => {
    const squares = [...grads.values()].map((grad) => tf.sum(tf.square(grad)));
    return tf.sqrt(tf.addN(squares)) as Scalar;
  });
}

/**
 * Gradients scaled by min(1, maxNorm/(norm + 1e-6)), as torch's `clip_grad_norm_`. Returns new tensors and the norm before; the
 * caller disposes both. Nothing is read back.
 */
export function clipByGlobalNorm(
  grads: ReadonlyMap<string, Tensor>,
  maxNorm: number,
): { readonly grads: Map<string, Tensor>; readonly norm: Scalar } {
  const norm = globalNorm(grads);
  const factor = tf.tidy(() => tf.minimum(1, tf.div(maxNorm, tf.add(norm, 1e-6))));
  const clipped = new Map([...grads].map(([name, grad]) => [name, tf.mul(grad, factor)]));
  factor.dispose();
  return { grads: clipped, norm };
}
