/** Adam with decoupled decay (Loshchilov and Hutter, arXiv 1711.05101v3), and Adam with L2 and AMSGrad, as torch has them. */
import type { Params } from '@unlabel/core';
import { adamWUpdate } from '../ops/adamw.ts';
import { createOptimizer, type DecayPredicate, type FusedUpdate, type Optimizer } from './optimizer.ts';
import { addDecay, adamMoments, scaleByRate, type Transform } from './transform.ts';

export interface AdamWOptions {
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  /** Added to the root. Default 1e-8. */
  readonly eps?: number;
  /** Default 0.01 (torch's AdamW); 0 for `adam`. */
  readonly weightDecay?: number;
  readonly isAmsgrad?: boolean;
  /** Default: all parameters, as in torch. */
  readonly isDecayed?: DecayPredicate;
}

const moments = ({ beta1 = 0.9, beta2 = 0.999, eps = 1e-8, isAmsgrad = false }: AdamWOptions): Transform =>
  adamMoments({ beta1, beta2, eps, isAmsgrad });

export const adamWRule = (options: AdamWOptions): Transform[] => [
  moments(options),
  addDecay(options.weightDecay ?? 0.01),
  scaleByRate(-1),
];

/** The decay goes into the gradient before the moments. */
export const adamRule = (options: AdamWOptions): Transform[] => [
  addDecay(options.weightDecay ?? 0),
  moments(options),
  scaleByRate(-1),
];

export function adamW(params: Params, options: AdamWOptions = {}): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0.01 } = options;
  const fused: FusedUpdate = (param, grad, [first, second], context) => {
    const { lr, step } = context;
    const decay = context.isDecayed ? (context.weightDecay ?? weightDecay) : 0;
    const rates = { lr, beta1, beta2, eps, weightDecay: decay, step };
    const [next, ...slots] = adamWUpdate(param, grad, first!, second!, rates);
    return { param: next, slots };
  };
  return createOptimizer(params, adamWRule(options), options.isDecayed, options.isAmsgrad ? undefined : fused);
}

export function adam(params: Params, options: AdamWOptions = {}): Optimizer {
  return createOptimizer(params, adamRule(options), options.isDecayed);
}
