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
 * Adds a share of the gradients of a smaller batch to what was gathered before: with shares of 1/k over k batches of one size, the gradients of
 * their mean loss. Takes `total` and `grads` over; the caller disposes the result.
 * @param total by parameter name; undefined for the first batch
 */
export function accumulateGrads(
  total: Map<string, Tensor> | undefined,
  grads: ReadonlyMap<string, Tensor>,
  share: number,
): Map<string, Tensor> {
  const sums = total ?? new Map<string, Tensor>();
  for (const [name, grad] of grads) {
    const held = sums.get(name);
    sums.set(
      name,
      tf.tidy(() => (held ? tf.add(held, tf.mul(grad, share)) : tf.mul(grad, share))),
    );
    tf.dispose(held ? [held, grad] : [grad]);
  }
  return sums;
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
