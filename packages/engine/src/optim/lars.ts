/**
 * LARS: You, Gitman, Ginsburg, "Large batch training of convolutional networks", arXiv 1708.03888v3. The learning rate stands
 * outside the momentum buffer as in facebookresearch/barlowtwins main.py (default) or inside as in google-research/simclr
 * lars_optimizer.py (`isRateInside`). `larc` is apex's variant around SGD.
 */
import type { Params } from '@unlabel/core';
import { createOptimizer, decayExceptVectors, type DecayPredicate, type Optimizer } from './optimizer.ts';
import { addDecay, larcRatio, momentumBy, negate, scaleByRate, trustRatio, type Transform } from './transform.ts';

export interface LarsOptions {
  /** Default 0.9. */
  readonly momentum?: number;
  readonly isNesterov?: boolean;
  /** Default 0. */
  readonly weightDecay?: number;
  /** η. Default 0.001. */
  readonly trustCoefficient?: number;
  /** Learning rate multiplied into the momentum buffer (SimCLR). Default false (Barlow Twins). */
  readonly isRateInside?: boolean;
  /** Factor of the learning rate where parameters are not adapted; 0.024 in Barlow Twins. Default 1. */
  readonly vectorRate?: number;
  /** Neither decayed nor adapted where false. Default: vectors are excluded. */
  readonly isDecayed?: DecayPredicate;
}

export function larsRule(options: LarsOptions): Transform[] {
  const {
    momentum = 0.9,
    isNesterov = false,
    weightDecay = 0,
    trustCoefficient = 0.001,
    isRateInside = false,
    vectorRate = 1,
  } = options;
  const buffer = momentumBy(momentum, isNesterov);
  return [
    addDecay(weightDecay),
    trustRatio(trustCoefficient),
    ...(isRateInside ? [scaleByRate(1, vectorRate), buffer, negate] : [buffer, scaleByRate(-1, vectorRate)]),
  ];
}

export function lars(params: Params, options: LarsOptions = {}): Optimizer {
  return createOptimizer(params, larsRule(options), options.isDecayed ?? decayExceptVectors);
}

export interface LarcOptions {
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly trustCoefficient?: number;
  readonly eps?: number;
  /** Default: all parameters, as in apex. */
  readonly isDecayed?: DecayPredicate;
}

export const larcRule = ({
  momentum = 0.9,
  weightDecay = 0,
  trustCoefficient = 0.001,
  eps = 1e-8,
}: LarcOptions): Transform[] => [larcRatio(trustCoefficient, weightDecay, eps), momentumBy(momentum), scaleByRate(-1)];

export function larc(params: Params, options: LarcOptions = {}): Optimizer {
  return createOptimizer(params, larcRule(options), options.isDecayed);
}
