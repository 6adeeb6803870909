/** Running a chain of transforms over named parameters. */
import { ConfigError, type Params, type Tensor, type Variable } from '@unlabel/core';
import { tf } from '../backend.ts';
import { likeParameter } from '../params.ts';
import { engineArithmetic } from './arithmetic.ts';
import { chain, type Transform, type TransformContext } from './transform.ts';

/** Which parameters are decayed (and adapted, by LARS). */
export type DecayPredicate = (name: string, variable: Variable) => boolean;

export const decayAll: DecayPredicate = () => true;
/** Biases and normalisation gains, being vectors, are left alone. */
export const decayExceptVectors: DecayPredicate = (_name, variable) => variable.shape.length > 1;

export interface Optimizer {
  /** State arrays as `<slot>.<parameter>`, shaped and laid out like the parameter. */
  readonly state: Params;
  /** Steps done. Set it when restoring: Adam's bias corrections depend on it. */
  steps: number;
  /**
   * One update with learning rate `lr`, and `weightDecay` in place of the optimiser's own where it is on a schedule. Gradients by
   * parameter name; a parameter without one is left as it is. The caller keeps the gradients. An unknown name or another shape is
   * a ConfigError.
   */
  step(grads: ReadonlyMap<string, Tensor>, lr: number, weightDecay?: number): void;
  dispose(): void;
}

/** A whole update in one operation of the engine, equal to the chain of transforms: new parameter and slots. */
export type FusedUpdate = (
  param: Tensor,
  grad: Tensor,
  slots: readonly Tensor[],
  context: TransformContext,
) => { readonly param: Tensor; readonly slots: readonly Tensor[] };

/** `fused`, when given, does what `transforms` describe and is tested against them. */
export function createOptimizer(
  params: Params,
  transforms: readonly Transform[],
  isDecayed: DecayPredicate = decayAll,
  fused?: FusedUpdate,
): Optimizer {
  const rule = chain(...transforms);
  const state = new Map<string, Variable>();
  for (const [name, variable] of params) {
    for (const slot of rule.slots) {
      const zeros = tf.zerosLike(variable);
      state.set(`${slot}.${name}`, likeParameter(variable, zeros, false));
      zeros.dispose();
    }
  }
  return {
    state,
    steps: 0,
    step(grads, lr, weightDecay) {
      if (!Number.isFinite(lr)) throw new ConfigError(`optimizer: learning rate ${lr}`);
      this.steps++;
      for (const [name, grad] of grads) {
        const variable = params.get(name);
        if (!variable || grad.size !== variable.size) {
          throw new ConfigError(
            `optimizer: gradient ${name} is [${grad.shape.join(', ')}], expected ${variable ? `[${variable.shape.join(', ')}]` : 'no such name'}`,
          );
        }
        const held = rule.slots.map((slot) => state.get(`${slot}.${name}`)!);
        const context = { lr, step: this.steps, isDecayed: isDecayed(name, variable), weightDecay };
        tf.tidy(() => {
          if (fused) {
            const next = fused(variable, grad, held, context);
            variable.assign(next.param);
            next.slots.forEach((slot, i) => held[i]!.assign(slot));
            return;
          }
          const { update, slots } = rule.apply<Tensor>(engineArithmetic, grad, variable, held, context);
          variable.assign(tf.add(variable, update));
          slots.forEach((slot, i) => held[i]!.assign(slot));
        });
      }
    },
    dispose: () => {
      for (const variable of state.values()) variable.dispose();
    },
  };
}
