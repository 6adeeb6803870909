/** Product, bias and ReLU in one, with a gradient that computes only what is asked for. */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { defineGradient, hasKernel, runKernel } from './kernel.ts';
import { reluGradient } from './relu.ts';

export interface DenseOptions {
  readonly relu?: boolean;
  /** The kernel lies as [out, in], torch's way, instead of [in, out]. Default false. */
  readonly transposeKernel?: boolean;
}

type Matrix = ReturnType<typeof tf.tensor2d>;

for (const kernel of ['Dense', 'DenseRelu']) {
  const isRelu = kernel === 'DenseRelu';
  defineGradient({
    kernel,
    inputs: ['x', 'kernel'],
    outputs: [isRelu],
    gradient: ([dy], saved, attrs) => {
      const [x, weight, y] = saved as [Matrix, Matrix, Matrix | undefined];
      const transposed = attrs['transposeKernel'] === true;
      const g = (y ? reluGradient(dy!, y) : dy!) as Matrix;
      return {
        x: () => tf.matMul(g, weight, false, !transposed),
        kernel: () => (transposed ? tf.matMul(g, x, true, false) : tf.matMul(x, g, true, false)),
        bias: () => columnSum(g),
      };
    },
  });
}

/** Sum over rows. x [M, C] → [C] */
function columnSum(x: Tensor): Tensor {
  return hasKernel('ColumnSum') ? runKernel('ColumnSum', { x }, {})[0]! : tf.sum(x, 0);
}

/**
 * x·W + b over the last axis, then ReLU if asked for.
 * @param x […, I]
 * @param kernel [I, O], or [O, I] with `transposeKernel`
 * @param bias [O]
 * @returns […, O]
 */
export function dense(x: Tensor, kernel: Tensor, bias?: Tensor, options: DenseOptions = {}): Tensor {
  const { relu = false, transposeKernel = false } = options;
  return tf.tidy(() => {
    const outputs = kernel.shape[transposeKernel ? 0 : 1]!;
    const rows = (x.rank === 2 ? x : tf.reshape(x, [-1, x.shape.at(-1)!])) as Matrix;
    const name = relu ? 'DenseRelu' : 'Dense';
    const y = hasKernel(name)
      ? runKernel(name, bias ? { x: rows, kernel, bias } : { x: rows, kernel }, { relu, transposeKernel })[0]!
      : composed(rows, kernel as Matrix, bias, relu, transposeKernel);
    return x.rank === 2 ? y : tf.reshape(y, [...x.shape.slice(0, -1), outputs]);
  });
}

function composed(x: Matrix, kernel: Matrix, bias: Tensor | undefined, relu: boolean, transposed: boolean): Tensor {
  const product = tf.matMul(x, kernel, false, transposed);
  const y = bias ? tf.add(product, bias) : product;
  return relu ? tf.relu(y) : y;
}
