/**
 * The encoder layer of fairseq's speech models (wav2vec 2.0, HuBERT, WavLM, BEATs) around an attention of any kind, with its three rates of
 * dropout: attention and feed-forward output, activation, and (in the attention) weights. Normalised before or after; after, with
 * DeepNorm's scaled shortcut (`deepNormScale`).
 */
import type { Params, Rng, Tensor } from '@unlabel/core';
import { mergeParams, plus, prefixed } from '@unlabel/engine';
import type { AttendOptions, Attention } from './attention.ts';
import { dropout } from './dropout.ts';
import { forked } from './layer.ts';
import { layerNorm } from './layer-norm.ts';
import { linear } from './linear.ts';
import { fairseqNames } from './transformer.ts';

/** fairseq's names: `gelu` by the error function, `gelu_accurate` by tanh. */
export const encoderActivations = ['gelu', 'gelu_accurate', 'relu'] as const;
export type EncoderActivation = (typeof encoderActivations)[number];

export interface EncoderLayerOptions {
  readonly attention: Attention;
  readonly width: number;
  readonly hidden: number;
  readonly activation: EncoderActivation;
  /** Normalised before attention and feed-forward instead of after the sums. */
  readonly normFirst: boolean;
  /** α on the shortcut when normalised after: norm(α·x + f(x)). */
  readonly shortcutScale: number;
  /** Behind the attention and the second linear layer. */
  readonly dropout: number;
  /** Behind the activation. */
  readonly activationDropout: number;
}

export interface EncoderLayer {
  readonly params: Params;
  /** x [B, N, D] → [B, N, D] */
  forward(x: Tensor, options: AttendOptions): Tensor;
}

export function encoderLayer(options: EncoderLayerOptions, rng: Rng): EncoderLayer {
  const { attention, width, hidden, activation, normFirst, shortcutScale } = options;
  const [attentionNorm, finalNorm] = [layerNorm(width), layerNorm(width)];
  const kind = { gelu: 'erf', gelu_accurate: 'tanh', relu: undefined }[activation] as 'erf' | 'tanh' | undefined;
  const first = linear(width, hidden, rng.fork('fc1'), { relu: activation === 'relu', gelu: kind });
  const second = linear(hidden, width, rng.fork('fc2'));
  const drop = dropout(options.dropout);
  const activationDrop = dropout(options.activationDropout);

  const feedForward = (x: Tensor, call: AttendOptions): Tensor => {
    const h = activationDrop.forward(first.forward(x, call), forked(call, 'activation'));
    return drop.forward(second.forward(h, call), forked(call, 'drop2'));
  };
  const attended = (x: Tensor, call: AttendOptions): Tensor =>
    drop.forward(attention.attend(x, { ...call, ...forked(call, 'attention') }).y, forked(call, 'drop1'));

  return {
    params: mergeParams(
      prefixed(fairseqNames.attention, attention.params),
      prefixed(fairseqNames.firstNorm, attentionNorm.params),
      prefixed('fc1', first.params),
      prefixed('fc2', second.params),
      prefixed(fairseqNames.secondNorm, finalNorm.params),
    ),
    forward(x, call) {
      if (normFirst) {
        const { sum, y } = finalNorm.withSum(attended(attentionNorm.forward(x, call), call), x);
        return plus(sum, feedForward(y, call));
      }
      const h = attentionNorm.ofSum(attended(x, call), x, shortcutScale);
      return finalNorm.ofSum(feedForward(h, call), h, shortcutScale);
    },
  };
}
