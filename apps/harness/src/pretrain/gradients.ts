/** Gradients of one optimiser step, of the whole batch at once or of its parts. */
import type { Batch, Method, Model, Scalar, Step, Tensor } from '@unlabel/core';
import { clipByGlobalNorm, tf, valueAndGrads, type LossAndLogs, type Optimizer } from '@unlabel/engine';

export interface StepGradients extends LossAndLogs {
  readonly grads: ReadonlyMap<string, Tensor>;
}

/**
 * Loss, logs and gradients; in `parts` passes over equal shares of the rows, averaged, when there are several: what the whole batch
 * gives for a loss that is a mean over rows. The caller disposes all of it.
 */
export function gradients(method: Method, model: Model, batch: Batch, step: Step, parts: number): StepGradients {
  const pass = (rows: Batch, rng: Step['rng']): StepGradients =>
    valueAndGrads(model.trainable, () => method.loss(model, rows, { ...step, rng }));
  if (parts === 1) return pass(batch, step.rng);

  let loss: Tensor | undefined;
  const logs = new Map<string, Tensor>();
  const grads = new Map<string, Tensor>();
  for (let part = 0; part < parts; part++) {
    const rows = sliceRows(batch, part, parts);
    const share = pass(rows, step.rng.fork(part));
    tf.dispose(Object.values(rows));
    loss = addShare(loss, share.loss, parts);
    for (const [name, log] of Object.entries(share.logs)) logs.set(name, addShare(logs.get(name), log, parts));
    for (const [name, grad] of share.grads) grads.set(name, addShare(grads.get(name), grad, parts));
  }
  return { loss: loss as Scalar, logs: Object.fromEntries(logs) as Record<string, Scalar>, grads };
}

function sliceRows(batch: Batch, part: number, parts: number): Batch {
  return Object.fromEntries(
    Object.entries(batch).map(([name, tensor]) => {
      const rows = tensor.shape[0]! / parts;
      return [name, tf.slice(tensor, [part * rows], [rows])];
    }),
  );
}

/** sum + value / parts; frees both. */
function addShare(sum: Tensor | undefined, value: Tensor, parts: number): Tensor {
  const next = tf.tidy(() => {
    const share: Tensor = tf.div(value, parts);
    return sum ? tf.add(sum, share) : share;
  });
  tf.dispose(sum ? [sum, value] : [value]);
  return next;
}

/** One step of the optimiser, clipped by the global norm where asked. */
export function update(
  optimizer: Optimizer,
  grads: ReadonlyMap<string, Tensor>,
  { lr, weightDecay, clipNorm }: { lr: number; weightDecay: number | undefined; clipNorm: number | undefined },
): void {
  if (clipNorm === undefined) return optimizer.step(grads, lr, weightDecay);
  const clipped = clipByGlobalNorm(grads, clipNorm);
  optimizer.step(clipped.grads, lr, weightDecay);
  tf.dispose([clipped.norm, ...clipped.grads.values()]);
}
