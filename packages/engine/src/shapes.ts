/** tfjs' ranked tensor types, for the operations that ask for them. */
import { ConfigError, type Tensor } from '@unlabel/core';
import type { tf } from './backend.ts';

export type Tensor1D = ReturnType<typeof tf.tensor1d>;
export type Tensor2D = ReturnType<typeof tf.tensor2d>;
export type Tensor3D = ReturnType<typeof tf.tensor3d>;
export type Tensor4D = ReturnType<typeof tf.tensor4d>;

function checkRank(x: Tensor, rank: number, what: string): void {
  if (x.rank !== rank) throw new ConfigError(`${what}: expected ${rank} dimensions, found [${x.shape.join(', ')}]`);
}

/** The tensor itself, its rank checked; `what` heads the ConfigError. */
export function asTensor2D(x: Tensor, what: string): Tensor2D {
  checkRank(x, 2, what);
  return x as Tensor2D;
}

export function asTensor3D(x: Tensor, what: string): Tensor3D {
  checkRank(x, 3, what);
  return x as Tensor3D;
}

export function asTensor4D(x: Tensor, what: string): Tensor4D {
  checkRank(x, 4, what);
  return x as Tensor4D;
}
