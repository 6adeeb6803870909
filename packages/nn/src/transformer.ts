/**
 * Transformer blocks around an attention of any kind: normalised before (Xiong et al., arXiv 2002.04745v2), after (Vaswani et al.,
 * arXiv 1706.03762v7), or after with a scaled shortcut (DeepNorm: Wang et al., arXiv 2203.00555v1).
 */
import type { Params, Rng, Tensor } from '@unlabel/core';
import { mergeParams, plus, prefixed, tf } from '@unlabel/engine';
import type { AttendOptions, Attended, Attention } from './attention.ts';
import { dropPath } from './drop-path.ts';
import { dropout } from './dropout.ts';
import type { GeluKind } from './gelu.ts';
import { forked, type Layer } from './layer.ts';
import { layerNorm } from './layer-norm.ts';
import { linear } from './linear.ts';

export interface FeedForwardOptions {
  readonly width: number;
  readonly hidden: number;
  /** Default `erf`. */
  readonly gelu?: GeluKind;
  /** Behind each of the two layers. Default 0. */
  readonly dropout?: number;
}

/** Linear → GELU → Linear; parameters `fc1`, `fc2`. x […, D] → […, D] */
export function feedForward(
  { width, hidden, gelu: kind = 'erf', dropout: rate = 0 }: FeedForwardOptions,
  rng: Rng,
): Layer {
  const first = linear(width, hidden, rng.fork('fc1'), { gelu: kind });
  const second = linear(hidden, width, rng.fork('fc2'));
  const drop = dropout(rate);
  return {
    params: mergeParams(prefixed('fc1', first.params), prefixed('fc2', second.params)),
    forward(x, options) {
      const h = drop.forward(first.forward(x, options), forked(options, 'drop1'));
      return drop.forward(second.forward(h, options), forked(options, 'drop2'));
    },
  };
}

/** What a block's parts are called on disk. */
export interface BlockNames {
  readonly attention: string;
  readonly firstNorm: string;
  readonly secondNorm: string;
  /** In front of `fc1` and `fc2`; empty for none. */
  readonly feedForward: string;
}

export const timmNames: BlockNames = {
  attention: 'attn',
  firstNorm: 'norm1',
  secondNorm: 'norm2',
  feedForward: 'mlp',
};
export const fairseqNames: BlockNames = {
  attention: 'self_attn',
  firstNorm: 'self_attn_layer_norm',
  secondNorm: 'final_layer_norm',
  feedForward: '',
};

export interface BlockOptions extends FeedForwardOptions {
  readonly attention: Attention;
  /** `pre`: x + f(norm(x)). `post`: norm(α·x + f(x)). Default `pre`. */
  readonly order?: 'pre' | 'post';
  /** α of DeepNorm on the shortcut, with `post`: (2·depth)^¼. Default 1. */
  readonly shortcutScale?: number;
  /** Default 1e-5. */
  readonly eps?: number;
  /** Rate of stochastic depth on both branches. Default 0. */
  readonly dropPath?: number;
  /** Default `timmNames`. */
  readonly names?: BlockNames;
}

export interface Block {
  readonly params: Params;
  /** x [B, N, D] → y [B, N, D], with the attention's weights when asked for. */
  run(x: Tensor, options: AttendOptions): Attended;
}

/** α = (2·depth)^¼, the shortcut's scale of an encoder of that depth (2203.00555v1, Fig. 2). */
export const deepNormScale = (depth: number): number => (2 * depth) ** 0.25;
/** β = (8·depth)^−¼, the gain of the first weights of the feed-forward, value and output projections. */
export const deepNormGain = (depth: number): number => (8 * depth) ** -0.25;

export function transformerBlock(options: BlockOptions, rng: Rng): Block {
  const { attention, order = 'pre', shortcutScale = 1, eps = 1e-5, names = timmNames } = options;
  const [first, second] = [layerNorm(options.width, eps), layerNorm(options.width, eps)];
  const mlp = feedForward(options, rng.fork('mlp'));
  const path = dropPath(options.dropPath ?? 0);
  const drop = dropout(options.dropout ?? 0);
  return {
    params: mergeParams(
      prefixed(names.attention, attention.params),
      prefixed(names.firstNorm, first.params),
      names.feedForward === '' ? mlp.params : prefixed(names.feedForward, mlp.params),
      prefixed(names.secondNorm, second.params),
    ),
    run: (x, call) =>
      // what a block makes on its way is freed with it, but for what its gradient needs
      tf.tidy(() => {
        const isPre = order === 'pre';
        const inner = isPre ? first.forward(x, call) : x;
        const { y: attended, weights } = attention.attend(inner, { ...call, ...forked(call, 'attn') });
        const branch = path.forward(drop.forward(attended, forked(call, 'drop')), forked(call, 'path1'));
        const wide = (h: Tensor) => path.forward(mlp.forward(h, forked(call, 'mlp')), forked(call, 'path2'));
        if (isPre) {
          const { sum, y } = second.withSum(branch, x);
          return { y: plus(sum, wide(y)), weights };
        }
        const h = first.ofSum(branch, x, shortcutScale);
        return { y: second.ofSum(wide(h), h, shortcutScale), weights };
      }),
  };
}
