/** Fully connected layer. */
import type { Rng } from '@unlabel/core';
import { dense, init, parameter } from '@unlabel/engine';
import type { Layer } from './layer.ts';

export interface LinearOptions {
  /** Default true. */
  readonly hasBias?: boolean;
  /** A ReLU behind it, in the same pass. Default false. */
  readonly relu?: boolean;
}

/** x·Wᵀ + b over the last axis; weight [out, in], torch's default initialisation. x […, in] → […, out] */
export function linear(inputs: number, outputs: number, rng: Rng, options: LinearOptions = {}): Layer {
  const { hasBias = true, relu = false } = options;
  const shape = [outputs, inputs];
  const weight = parameter(init.kaimingUniform(shape, rng.fork('weight')));
  const bias = hasBias ? parameter(init.defaultBias(shape, rng.fork('bias'))) : undefined;
  return {
    params: new Map([['weight', weight], ...(bias ? [['bias', bias] as const] : [])]),
    forward: (x) => dense(x, weight, bias, { relu, transposeKernel: true }),
  };
}
