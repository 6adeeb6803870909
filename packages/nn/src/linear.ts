/** Fully connected layer. */
import type { Rng } from '@unlabel/core';
import { dense, gelu, init, parameter, type GeluKind } from '@unlabel/engine';
import type { Layer } from './layer.ts';

export interface LinearOptions {
  /** Default true. */
  readonly hasBias?: boolean;
  /** A ReLU behind it, in the same pass. Default false. */
  readonly relu?: boolean;
  /** A GELU behind it, which adds the bias in its own pass; not with `relu`. */
  readonly gelu?: GeluKind | undefined;
}

/** x·Wᵀ + b over the last axis; weight [out, in], torch's default initialisation. x […, in] → […, out] */
export function linear(inputs: number, outputs: number, rng: Rng, options: LinearOptions = {}): Layer {
  const { hasBias = true, relu = false, gelu: kind } = options;
  const shape = [outputs, inputs];
  const weight = parameter(init.kaimingUniform(shape, rng.fork('weight')));
  const bias = hasBias ? parameter(init.defaultBias(shape, rng.fork('bias'))) : undefined;
  return {
    params: new Map([['weight', weight], ...(bias ? [['bias', bias] as const] : [])]),
    forward: (x) =>
      kind
        ? gelu(dense(x, weight, undefined, { transposeKernel: true }), kind, bias)
        : dense(x, weight, bias, { relu, transposeKernel: true }),
  };
}
