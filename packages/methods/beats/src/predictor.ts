/**
 * The label predictor: visible outputs at their places among fillers, through a small Transformer of the encoder's kind, to a distribution
 * over codes (BEATs §3.3).
 *
 * Legend: B rows, N patches, V visible, M masked, D width of the encoder, P of the predictor, K codes.
 */
import { beatsEncoder, type BeatsEncoderConfig } from '@unlabel/backbones';
import type { Params, Rng, Tensor } from '@unlabel/core';
import { init, mergeParams, parameter, prefixed, tf } from '@unlabel/engine';
import { forked, layerNorm, linear, restoreTokens, takeRows, type LayerOptions, type TokenMask } from '@unlabel/nn';

export interface PredictorOptions {
  /** Of its Transformer; `width` is P. */
  readonly encoder: BeatsEncoderConfig;
  /** D. */
  readonly inputs: number;
  /** K. */
  readonly codes: number;
  /** What stands at masked places: zeros (paper), or a learned vector (OpenBEATs). */
  readonly filler: 'zeros' | 'learned';
}

export interface LabelPredictor {
  readonly params: Params;
  /** Encoder outputs of the visible patches [B, V, D] → logits of the masked ones [B·M, K], in the order of `mask.masked`. */
  forward(visible: Tensor, mask: TokenMask, options: LayerOptions): Tensor;
}

export function labelPredictor({ encoder, inputs, codes, filler }: PredictorOptions, rng: Rng): LabelPredictor {
  const { width } = encoder;
  const enter = linear(inputs, width, rng.fork('enter'));
  const vector = filler === 'learned' ? parameter(init.normal([width], 0.02, rng.fork('filler'))) : undefined;
  const transformer = beatsEncoder(encoder, rng.fork('transformer'));
  const norm = layerNorm(width);
  const out = linear(width, codes, rng.fork('out'));
  return {
    params: mergeParams(
      prefixed('enter', enter.params),
      vector ? new Map([['filler', vector]]) : new Map(),
      prefixed('transformer', transformer.params),
      prefixed('norm', norm.params),
      prefixed('out', out.params),
    ),
    forward(visible, mask, options) {
      const whole = restoreTokens(enter.forward(visible, options), vector ?? tf.zeros([width]), mask); // [B, N, P]
      const h = transformer.forward(whole, forked(options, 'transformer'));
      const masked = takeRows(tf.reshape(h, [-1, width]), mask.masked); // [B·M, P]
      return out.forward(norm.forward(masked, options), options);
    },
  };
}
