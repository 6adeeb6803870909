/**
 * Multi-head attention: Vaswani et al., arXiv 1706.03762v7, Eq. 1, with room for a relative position bias, a gate on it, and a mask.
 *
 * Legend: B rows, N queries, M keys, H heads, d width of a head, D = H·d.
 */
import { ConfigError, type Params, type Rng, type Tensor } from '@unlabel/core';
import { mergeParams, prefixed, tf } from '@unlabel/engine';
import { dropout } from './dropout.ts';
import { forked, type Layer, type LayerOptions } from './layer.ts';
import { linear } from './linear.ts';

export interface AttendOptions extends LayerOptions {
  /** Added to the scores: [H, N, M] or [B, H, N, M]. */
  readonly bias?: Tensor | undefined;
  /** Padding: true (1) where a key must not be seen, [B, M]. */
  readonly padding?: Tensor | undefined;
}

export interface Attended {
  /** [B, N, D] */
  readonly y: Tensor;
  /** [B, H, N, M], before dropout. */
  readonly weights: Tensor;
}

/** [B, N, D] → [B, H, N, d] */
export const splitHeads = (x: Tensor, heads: number): Tensor => {
  const [b = 1, n = 1, width = 1] = x.shape;
  return tf.transpose(tf.reshape(x, [b, n, heads, width / heads]), [0, 2, 1, 3]);
};

/** [B, H, N, d] → [B, N, D] */
export const joinHeads = (x: Tensor): Tensor => {
  const [b = 1, h = 1, n = 1, d = 1] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [b, n, h * d]);
};

/** softmax(q·kᵀ·scale + bias)·v; q [B, H, N, d], k, v [B, H, M, d]. `drop` acts on the weights. */
export function attend(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  scale: number,
  options: AttendOptions,
  drop: Layer = dropout(0),
): Attended {
  // the scale goes onto the queries: N·d products instead of N·M
  let scores = tf.matMul(tf.mul(q, scale), k, false, true); // [B, H, N, M]
  if (options.bias) scores = tf.add(scores, options.bias);
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

function headWidth({ width, heads }: AttentionOptions): number {
  if (width % heads !== 0) throw new ConfigError(`attention: width ${width} is no multiple of ${heads} heads`);
  return width / heads;
}

/** One projection for queries, keys and values, named as timm and DINO do: `qkv`, `proj`. */
export function fusedAttention(options: AttentionOptions, rng: Rng): Attention {
  const { width, heads, hasBias = true } = options;
  const scale = headWidth(options) ** -0.5;
  const qkv = linear(width, 3 * width, rng.fork('qkv'), { hasBias });
  const proj = linear(width, width, rng.fork('proj'));
  const drop = dropout(options.dropout ?? 0);
  return {
    params: mergeParams(prefixed('qkv', qkv.params), prefixed('proj', proj.params)),
    attend(x, call) {
      const [q, k, v] = tf.split(qkv.forward(x, call), 3, 2).map((part) => splitHeads(part, heads));
      const { y, weights } = attend(q!, k!, v!, scale, { ...call, ...forked(call, 'attn') }, drop);
      return { y: proj.forward(y, call), weights };
    },
  };
}

/** Three projections, named as fairseq does: `q_proj`, `k_proj`, `v_proj`, `out_proj`. */
export function projectedAttention(options: AttentionOptions, rng: Rng): Attention {
  const { width, heads, hasBias = true } = options;
  const scale = headWidth(options) ** -0.5;
  const layers = Object.fromEntries(
    ['q_proj', 'k_proj', 'v_proj'].map((name) => [name, linear(width, width, rng.fork(name), { hasBias })]),
  );
  const out = linear(width, width, rng.fork('out_proj'));
  const drop = dropout(options.dropout ?? 0);
  return {
    params: mergeParams(
      ...Object.entries(layers).map(([name, layer]) => prefixed(name, layer.params)),
      prefixed('out_proj', out.params),
    ),
    attend(x, call) {
      const [q, k, v] = Object.values(layers).map((layer) => splitHeads(layer.forward(x, call), heads));
      const { y, weights } = attend(q!, k!, v!, scale, { ...call, ...forked(call, 'attn') }, drop);
      return { y: out.forward(y, call), weights };
    },
  };
}
