/**
 * Multi-head attention: Vaswani et al., arXiv 1706.03762v7, Eq. 1, with room for a relative position bias, a gate on it, and a mask.
 *
 * Legend: B rows, N queries, M keys, H heads, d width of a head, D = H·d.
 */
import { ConfigError, type Params, type Rng, type Tensor } from '@unlabel/core';
import {
  attention,
  attentionWeights,
  joinHeads,
  mergeParams,
  prefixed,
  splitHeads,
  tf,
  type AttentionInputs,
} from '@unlabel/engine';
import { dropout } from './dropout.ts';
import { forked, type Layer, type LayerOptions } from './layer.ts';
import { linear } from './linear.ts';

export { joinHeads, splitHeads };

export interface AttendOptions extends LayerOptions {
  /** Added to the scores: [H, N, M] or [B, H, N, M]. */
  readonly bias?: Tensor | undefined;
  /** What each query multiplies the bias with: [B, N, H]. */
  readonly gate?: Tensor | undefined;
  /** Padding: true (1) where a key must not be seen, [B, M]. */
  readonly padding?: Tensor | undefined;
  /** Also the weights: they are not made otherwise. Default false. */
  readonly wantsWeights?: boolean;
}

export interface Attended {
  /** [B, N, D] */
  readonly y: Tensor;
  /** [B, H, N, M], before dropout, when asked for. */
  readonly weights?: Tensor | undefined;
}

/** Attention of heads that lie beside each other in the last axis: q, k, v [B, N, D] or qkv [B, N, 3·D]. `rate` drops weights. */
export function attendHeads(
  inputs: AttentionInputs,
  options: AttendOptions & { readonly heads: number; readonly scale?: number },
  rate = 0,
): Attended {
  const { training, rng, padding, wantsWeights, heads, scale, bias, gate } = options;
  if (training && rate > 0 && !rng) throw new ConfigError('attention: training needs a random generator (options.rng)');
  // −1e9 in place of −∞: a row whose keys are all padding stays finite
  const mask = padding && tf.mul(tf.cast(padding, 'float32'), -1e9);
  const call = { heads, bias, gate, mask, ...(scale !== undefined && { scale }) };
  const drop = training && rate > 0 ? { rate, seed: rng!.int(2 ** 32) } : undefined;
  return {
    y: attention(inputs, { ...call, dropout: drop }),
    weights: wantsWeights ? attentionWeights(inputs, call) : undefined,
  };
}

/** softmax(q·kᵀ·scale + bias)·v from single operations; q [B, H, N, d], k, v [B, H, M, d]. `drop` acts on the weights. */
export function attend(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  scale: number,
  options: AttendOptions,
  drop: Layer = dropout(0),
): Required<Attended> & { readonly weights: Tensor } {
  // the scale goes onto the queries: N·d products instead of N·M
  let scores = tf.matMul(tf.mul(q, scale), k, false, true); // [B, H, N, M]
  if (options.bias) {
    const { bias, gate } = options;
    scores = tf.add(scores, gate ? tf.mul(tf.expandDims(tf.transpose(gate, [0, 2, 1]), 3), bias) : bias);
  }
  if (options.padding) {
    // −1e9 in place of −∞: a row whose keys are all padding stays finite
    const hidden = tf.mul(tf.cast(options.padding, 'float32'), -1e9);
    scores = tf.add(scores, tf.reshape(hidden, [hidden.shape[0]!, 1, 1, hidden.shape[1]!]));
  }
  const weights = tf.softmax(scores);
  return { y: joinHeads(tf.matMul(drop.forward(weights, options), v)), weights };
}

export interface Attention {
  readonly params: Params;
  /** Self-attention of x [B, N, D]. */
  attend(x: Tensor, options: AttendOptions): Attended;
}

export interface AttentionOptions {
  readonly width: number;
  readonly heads: number;
  /** Biases of the projections into queries, keys and values. Default true. */
  readonly hasBias?: boolean;
  /** Dropout of the attention weights. Default 0. */
  readonly dropout?: number;
}

/** The rate of dropout, of options that make sense. */
function checked({ width, heads, dropout: rate = 0 }: AttentionOptions): number {
  if (width % heads !== 0) throw new ConfigError(`attention: width ${width} is no multiple of ${heads} heads`);
  if (!(rate >= 0 && rate < 1)) throw new ConfigError(`attention: dropout ${rate} is outside 0…1`);
  return rate;
}

/** One projection for queries, keys and values, named as timm and DINO do: `qkv`, `proj`. */
export function fusedAttention(options: AttentionOptions, rng: Rng): Attention {
  const { width, heads, hasBias = true } = options;
  const rate = checked(options);
  const qkv = linear(width, 3 * width, rng.fork('qkv'), { hasBias });
  const proj = linear(width, width, rng.fork('proj'));
  return {
    params: mergeParams(prefixed('qkv', qkv.params), prefixed('proj', proj.params)),
    attend(x, call) {
      const all = { qkv: qkv.forward(x, call) };
      const { y, weights } = attendHeads(all, { ...call, ...forked(call, 'attn'), heads }, rate);
      return { y: proj.forward(y, call), weights };
    },
  };
}

/** Three projections, named as fairseq does: `q_proj`, `k_proj`, `v_proj`, `out_proj`. */
export function projectedAttention(options: AttentionOptions, rng: Rng): Attention {
  const { width, heads, hasBias = true } = options;
  const rate = checked(options);
  const [query, key, value] = ['q_proj', 'k_proj', 'v_proj'].map((name) =>
    linear(width, width, rng.fork(name), { hasBias }),
  ) as [Layer, Layer, Layer];
  const out = linear(width, width, rng.fork('out_proj'));
  return {
    params: mergeParams(
      prefixed('q_proj', query.params),
      prefixed('k_proj', key.params),
      prefixed('v_proj', value.params),
      prefixed('out_proj', out.params),
    ),
    attend(x, call) {
      const [q, k, v] = [query, key, value].map((layer) => layer.forward(x, call)) as [Tensor, Tensor, Tensor];
      const { y, weights } = attendHeads({ q, k, v }, { ...call, ...forked(call, 'attn'), heads }, rate);
      return { y: out.forward(y, call), weights };
    },
  };
}
