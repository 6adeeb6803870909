/**
 * Self-attention whose relative position bias each query scales: BEATs (Chen et al., arXiv 2212.09058v1 §3.1, after WavLM, 2110.13900v5
 * §3.1), names and arithmetic of microsoft/unilm beats/backbone.py@768a3c8 (fairseq's projections, `grep_linear`, `grep_a`).
 *
 * Legend: B rows, N tokens, H heads, d width of a head.
 */
import type { Rng, Tensor } from '@unlabel/core';
import { dense, init, mergeParams, parameter, prefixed, tf } from '@unlabel/engine';
import { attend, splitHeads, type Attention, type AttentionOptions } from './attention.ts';
import { dropout } from './dropout.ts';
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
  const drop = dropout(options.dropout ?? 0);

  /** The sum over four outputs is the sum of their rows. q [B, H, N, d] */
  const gateOf = (q: Tensor): Tensor => {
    const weight = tf.sum(tf.reshape(gateWeight, [2, 4, size]), 1); // [2, d]
    const sums = dense(q, weight, tf.sum(tf.reshape(gateBias, [2, 4]), 1), { transposeKernel: true });
    const [a, b] = tf.split(tf.sigmoid(sums), 2, 3) as [Tensor, Tensor]; // [B, H, N, 1] each
    return tf.add(tf.mul(a, tf.sub(tf.mul(b, gain), 1)), 2);
  };

  return {
    params: mergeParams(
      new Map([['grep_a', gain], ['grep_linear.weight', gateWeight], ['grep_linear.bias', gateBias]]), // prettier-ignore
      prefixed('q_proj', query.params),
      prefixed('k_proj', key.params),
      prefixed('v_proj', value.params),
      prefixed('out_proj', out.params),
    ),
    gate: (x) => gateOf(splitHeads(query.forward(x, { training: false }), heads)),
    attend(x, call) {
      const [q, k, v] = [query, key, value].map((layer) => splitHeads(layer.forward(x, call), heads));
      const bias = call.bias && tf.mul(gateOf(q!), call.bias);
      const { y, weights } = attend(q!, k!, v!, size ** -0.5, { ...call, ...forked(call, 'attn'), bias }, drop);
      return { y: out.forward(y, call), weights };
    },
  };
}
