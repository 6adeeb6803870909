/**
 * Gradient checkpointing: Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174v2. A part of a network keeps its
 * input only and runs again on the way back: a forward pass more, and the memory of one part instead of all.
 */
import type { Params, Tensor, Variable } from '@unlabel/core';
import { tf, withoutGradient } from '@unlabel/engine';

/**
 * fn(x), of which the tape keeps x alone. `fn` must give the same when run twice: it takes a random stream by `rng.fork`, not by drawing
 * from one outside, and moves no running statistics. `params` are the parameters it uses: those that are left out get no gradient.
 */
export function checkpointed(fn: (x: Tensor) => Tensor, x: Tensor, params: Params): Tensor {
  const variables = [...params.values()].filter((variable) => variable.trainable);
  const run = tf.customGrad((...args) => {
    const save = args.at(-1) as unknown as (kept: Tensor[]) => void;
    const input = args[0] as Tensor;
    save([input]);
    return {
      value: withoutGradient(() => tf.tidy(() => fn(input))),
      gradFunc: (dy: Tensor, saved: Tensor[]) => again(fn, saved[0]!, dy, variables),
    };
  });
  return run(x, ...variables);
}

/** Gradients in the input and each variable of ⟨fn(input), dy⟩; zeros where fn does not reach. */
function again(fn: (x: Tensor) => Tensor, input: Tensor, dy: Tensor, variables: readonly Variable[]): Tensor[] {
  // the engine has one tape: the outer one is set aside while the part is recorded, played back and freed
  const { state } = tf.engine();
  const outer = state.activeTape;
  try {
    const { value, grads } = tf.engine().gradients(() => fn(input), [input, ...variables], dy, true);
    value.dispose();
    return grads.map((grad, i) => grad ?? tf.zerosLike(i === 0 ? input : variables[i - 1]!));
  } finally {
    if (outer) state.activeTape = outer;
  }
}
