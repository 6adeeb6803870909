/** Stochastic gradient descent as torch has it: v ← μ·v + (g + λ·w); w ← w − lr·v, or with Nesterov's look-ahead. */
import type { Params } from '@unlabel/core';
import { sgdMomentum } from '../ops/sgd-momentum.ts';
import { createOptimizer, type DecayPredicate, type FusedUpdate, type Optimizer } from './optimizer.ts';
import { addDecay, momentumBy, scaleByRate, type Transform } from './transform.ts';

export interface SgdOptions {
  /** Default 0. */
  readonly momentum?: number;
  readonly isNesterov?: boolean;
  /** λ, added to the gradient (L2). Default 0. */
  readonly weightDecay?: number;
  /** Default: all parameters, as in torch. */
  readonly isDecayed?: DecayPredicate;
}

export const sgdRule = ({ momentum = 0, isNesterov = false, weightDecay = 0 }: SgdOptions): Transform[] => [
  addDecay(weightDecay),
  ...(momentum === 0 ? [] : [momentumBy(momentum, isNesterov)]),
  scaleByRate(-1),
];

export function sgd(params: Params, options: SgdOptions = {}): Optimizer {
  const { momentum = 0, weightDecay = 0, isNesterov = false } = options;
  const fused: FusedUpdate = (param, grad, [velocity], context) => {
    const decay = context.isDecayed ? (context.weightDecay ?? weightDecay) : 0;
    const rates = { lr: context.lr, momentum, weightDecay: decay, nesterov: isNesterov };
    const [next, slot] = sgdMomentum(param, grad, velocity!, rates);
    return { param: next, slots: [slot] };
  };
  return createOptimizer(params, sgdRule(options), options.isDecayed, momentum === 0 ? undefined : fused);
}
