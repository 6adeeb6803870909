/** Gradients of a loss with respect to named parameters, and computing beside the tape. */
import { ConfigError, type Params, type Scalar, type Tensor } from '@unlabel/core';
import { tf } from './backend.ts';
import { gradientsOf } from './tape.ts';

export interface LossAndLogs {
  readonly loss: Scalar;
  readonly logs: Readonly<Record<string, Scalar>>;
}

export interface ValueAndGrads extends LossAndLogs {
  /** By parameter name; a parameter the loss does not reach has no entry. */
  readonly grads: Map<string, Tensor>;
  /** Frees loss, logs and gradients. */
  readonly dispose: () => void;
}

/**
 * Runs `fn` and differentiates its loss with respect to the trainable members of `params`. Everything else `fn` creates is
 * freed; the caller disposes the result. Variables may be assigned inside `fn` (running statistics).
 */
export function valueAndGrads(params: Params, fn: () => LossAndLogs): ValueAndGrads {
  const variables = [...params].filter(([, variable]) => variable.trainable);
  const logs: Record<string, Scalar> = {};
  const { value: loss, grads: found } = gradientsOf(
    () => {
      const result = fn();
      // clones: a log may be the loss itself, which is freed on its own
      for (const [key, log] of Object.entries(result.logs)) logs[key] = tf.keep(withoutGradient(() => tf.clone(log)));
      return result.loss;
    },
    variables.map(([, variable]) => variable),
  );
  const grads = new Map<string, Tensor>();
  variables.forEach(([name], i) => {
    if (found[i]) grads.set(name, found[i]);
  });
  if (grads.size === 0) {
    throw new ConfigError(`valueAndGrads: the loss does not depend on any of ${variables.length} trainable parameters`);
  }
  const dispose = () => tf.dispose([loss, ...Object.values(logs), ...grads.values()]);
  return { loss, logs, grads, dispose };
}

/**
 * Runs `fn` with the tape off: what it computes is constant to any gradient around it and nothing is kept for a backward pass.
 * For target networks, keys and running statistics.
 */
export function withoutGradient<T>(fn: () => T): T {
  const { state } = tf.engine();
  state.kernelDepth++; // the engine records on its tape at depth 0 only
  try {
    return fn();
  } finally {
    state.kernelDepth--;
  }
}
