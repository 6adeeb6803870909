/**
 * Self-attention whose relative position bias each query scales: BEATs (Chen et al., arXiv 2212.09058v1 §3.1, after WavLM, 2110.13900v5
 * §3.1), names and arithmetic of microsoft/unilm beats/backbone.py@768a3c8 (fairseq's projections, `grep_linear`, `grep_a`).
 *
 * Legend: B rows, N tokens, H heads, d width of a head.
 */
import type { Rng, Tensor } from '@unlabel/core';
import { dense, init, mergeParams, parameter, prefixed, tf } from '@unlabel/engine';
import { attendHeads, type Attention, type AttentionOptions } from './attention.ts';
import { forked } from './layer.ts';
import { linear } from './linear.ts';

export interface GatedAttention extends Attention {
  /** What the bias is multiplied with [B, H, N, 1], of x [B, N, H·d]. */
  gate(x: Tensor): Tensor;
}

/**
 * Queries, keys and values of x, and `bias` [H, N, N] times g = a·(b·grep_a − 1) + 2, where a and b are sigmoids of the unscaled query: of
 * eight linear outputs, four each are summed. (WavLM takes them from the hidden state: not interchangeable.)
 */
export function gatedAttention(options: AttentionOptions, rng: Rng): GatedAttention {
  const { width, heads, hasBias = true } = options;
  const size = width / heads;
  const [query, key, value, out] = ['q_proj', 'k_proj', 'v_proj', 'out_proj'].map((name) =>
    linear(width, width, rng.fork(name), { hasBias }),
  ) as [ReturnType<typeof linear>, ReturnType<typeof linear>, ReturnType<typeof linear>, ReturnType<typeof linear>];
  const gateWeight = parameter(init.normal([8, size], 0.02, rng.fork('grep_linear')));
  const gateBias = parameter(init.zeros([8]));
  const gain = parameter(init.ones([1, heads, 1, 1]));
  const rate = options.dropout ?? 0;

  /** The sum over four outputs is the sum of their rows. q [B, N, H·d] → [B, N, H] */
  const gateOf = (q: Tensor): Tensor => {
    const shape = q.shape.slice(0, 2);
    const weight = tf.sum(tf.reshape(gateWeight, [2, 4, size]), 1); // [2, d]
    const bias = tf.sum(tf.reshape(gateBias, [2, 4]), 1);
    const sums = dense(tf.reshape(q, [...shape, heads, size]), weight, bias, { transposeKernel: true });
    const [a, b] = tf.split(tf.sigmoid(sums), 2, 3).map((part) => tf.reshape(part, [...shape, heads])) as [
      Tensor,
      Tensor,
    ];
    return tf.add(tf.mul(a, tf.sub(tf.mul(b, tf.reshape(gain, [heads])), 1)), 2);
  };

  return {
    params: mergeParams(
      new Map([['grep_a', gain], ['grep_linear.weight', gateWeight], ['grep_linear.bias', gateBias]]), // prettier-ignore
      prefixed('q_proj', query.params),
      prefixed('k_proj', key.params),
      prefixed('v_proj', value.params),
      prefixed('out_proj', out.params),
    ),
    gate: (x) => tf.expandDims(tf.transpose(gateOf(query.forward(x, { training: false })), [0, 2, 1]), 3),
    attend(x, call) {
      const [q, k, v] = [query, key, value].map((layer) => layer.forward(x, call)) as [Tensor, Tensor, Tensor];
      const gate = call.bias && gateOf(q);
      const { y, weights } = attendHeads({ q, k, v }, { ...call, ...forked(call, 'attn'), heads, gate }, rate);
      return { y: out.forward(y, call), weights };
    },
  };
}
