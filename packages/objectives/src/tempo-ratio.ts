/**
 * Equivariance to time stretching: the network's scalars of two stretched views must stand in the ratio of the rates.
 *
 * Quinton, "Equivariant self-supervision for musical tempo estimation", ISMIR 2022, arXiv 2209.01478v1;
 * Quint-e/equivariant-self-supervision-tempo@82ec6aa.
 *
 * Legend: B rows; z the scalars, r the rates of the views.
 */
import { ConfigError, type Scalar, type Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';

/**
 * ½·(|z_i/z_j − r_i/r_j| + |z_j/z_i − r_j/r_i|), mean over rows; all [B, 1] or [B]. Equal scalars are no minimum, so nothing else keeps
 * the network from collapse. Factor and sign of z stay free. Near z = 0 the gradient grows as 1/z².
 */
export function tempoRatio(zi: Tensor, zj: Tensor, ri: Tensor, rj: Tensor): Scalar {
  sameShapes('tempoRatio', [zi, zj, ri, rj]);
  const distance = (a: Tensor, b: Tensor, ra: Tensor, rb: Tensor): Tensor =>
    tf.abs(tf.sub(tf.div(a, b), tf.div(ra, rb)));
  return tf.mul(tf.mean(tf.add(distance(zi, zj, ri, rj), distance(zj, zi, rj, ri))), 0.5) as Scalar;
}

/** |z_i − z_j·r_i/r_j|, mean over rows: the alternative that the paper leaves, since z = 0 makes it vanish. */
export function tempoDifference(zi: Tensor, zj: Tensor, ri: Tensor, rj: Tensor): Scalar {
  sameShapes('tempoDifference', [zi, zj, ri, rj]);
  return tf.mean(tf.abs(tf.sub(zi, tf.mul(zj, tf.div(ri, rj))))) as Scalar;
}

function sameShapes(name: string, tensors: readonly Tensor[]): void {
  const shapes = tensors.map(({ shape }) => `[${shape.join(', ')}]`);
  if (new Set(shapes).size > 1) {
    throw new ConfigError(`${name}: scalars and rates are ${shapes.join(', ')}; expected four of one shape`);
  }
}
