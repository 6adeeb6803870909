/** Layer normalisation: Ba et al., arXiv 1607.06450v1; torch's conventions (biased variance, eps inside the root). */
import type { Tensor, Variable } from '@unlabel/core';
import { addLayerNorm, init, layerNorm as normalize, parameter } from '@unlabel/engine';
import type { Layer } from './layer.ts';

export interface LayerNorm extends Layer {
  readonly weight: Variable;
  readonly bias: Variable;
  /** The norm of x + scale·shortcut, in one pass. Default scale 1. */
  ofSum(x: Tensor, shortcut: Tensor, scale?: number): Tensor;
  /** x + shortcut and its norm, in one pass. */
  withSum(x: Tensor, shortcut: Tensor): { readonly sum: Tensor; readonly y: Tensor };
}

/** Over the last axis. eps: torch's 1e-5 by default; timm's and DINO's transformers have 1e-6. x […, D] → […, D] */
export function layerNorm(width: number, eps = 1e-5): LayerNorm {
  const weight = parameter(init.ones([width]));
  const bias = parameter(init.zeros([width]));
  return {
    weight,
    bias,
    params: new Map([['weight', weight], ['bias', bias]]), // prettier-ignore
    forward: (x) => normalize(x, weight, bias, { epsilon: eps }),
    ofSum: (x, shortcut, scale = 1) => normalize(x, weight, bias, { epsilon: eps, shortcut, shortcutScale: scale }),
    withSum: (x, shortcut) => addLayerNorm(x, shortcut, weight, bias, eps),
  };
}

/** (x − mean)/√(var + eps)·gain + offset. */
export const normalizeLast = (x: Tensor, gain: Tensor, offset: Tensor, eps: number): Tensor =>
  normalize(x, gain, offset, { epsilon: eps });
