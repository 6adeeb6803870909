/** A dense layer on an input that is mostly zeros, as a ReLU and a dropout leave it: the zeros cost nothing, forward and back. */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { dense } from './dense.ts';
import { defineGradient, hasKernel, runKernel } from './kernel.ts';

defineGradient({
  kernel: 'SparseDense',
  inputs: ['x', 'kernel'],
  gradient: ([dy], [x, kernel]) => {
    const [dx, dKernel] = runKernel('SparseDenseGrad', { x: x!, kernel: kernel!, dy: dy! }, {});
    return { x: () => dx!, kernel: () => dKernel!, bias: () => tf.sum(dy!, 0) };
  },
});

/**
 * x·W + b for an x whose zeros come from an operation that passes no gradient where it gave 0 (ReLU, dropout): the gradient
 * with respect to those zeros is left out or not, as is faster. Pays when less than two thirds of x differ from 0. A zero times an
 * infinite weight is 0 here.
 * @param x [B, I]
 * @param kernel [I, O]
 * @param bias [O]
 * @returns [B, O]
 */
export function sparseDense(x: Tensor, kernel: Tensor, bias: Tensor): Tensor {
  return hasKernel('SparseDense') ? runKernel('SparseDense', { x, kernel, bias }, {})[0]! : dense(x, kernel, bias);
}
