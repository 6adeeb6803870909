/**
 * Softmax attention: Vaswani et al., arXiv 1706.03762v7, Eq. 1, with a bias that each query may gate, a mask of keys and dropout of the
 * weights.
 *
 * Legend: B rows, N queries, M keys, H heads, d width of a head, D = H·d.
 */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { dropout, dropoutSeed } from './dropout.ts';
import { defineGradient, hasKernel, none, runKernel } from './kernel.ts';

export interface AttentionCall {
  readonly heads: number;
  /** Of the products of queries and keys. Default 1/√d. */
  readonly scale?: number;
  /** Added to the scores: [H, N, M] or [B, H, N, M]. Differentiable. */
  readonly bias?: Tensor | undefined;
  /** What each query multiplies the bias with: [B, N, H]. Differentiable. */
  readonly gate?: Tensor | undefined;
  /** Added to the scores of a key, whoever asks: [B, M]. Not differentiated. */
  readonly mask?: Tensor | undefined;
  /** Of the weights, as `dropout` drops them of [B, H, N, M]. */
  readonly dropout?: { readonly rate: number; readonly seed: number } | undefined;
}

/** Queries, keys and values [B, N, D] and [B, M, D] of all heads, or all three one after the other in `qkv` [B, N, 3·D]. */
export type AttentionInputs = { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor } | { readonly qkv: Tensor };

defineGradient({
  kernel: 'Attention',
  inputs: ['q', 'k', 'v', 'bias', 'gate', 'mask', 'seed'],
  outputs: [false, true],
  gradient: ([dy], saved, attrs) => {
    const [q, k, v, bias, gate, mask, seed, logSum] = saved as Tensor[];
    const inputs = {
      q: q!,
      k: k!,
      v: v!,
      bias: bias!,
      gate: gate!,
      mask: mask!,
      seed: seed!,
      logSum: logSum!,
      dy: dy!,
    };
    const [dq, dk, dv, dBias, dGate] = runKernel('AttentionGrad', inputs, attrs);
    return { q: () => dq!, k: () => dk!, v: () => dv!, bias: () => dBias!, gate: () => dGate! };
  },
});

/** softmax(q·kᵀ·scale + gate·bias + mask)·v by heads → [B, N, D]. */
export function attention(inputs: AttentionInputs, call: AttentionCall): Tensor {
  const isPacked = 'qkv' in inputs;
  const width = isPacked ? inputs.qkv.shape[2]! / 3 : inputs.q.shape[2]!;
  const { heads, scale = (width / heads) ** -0.5, bias, gate, mask } = call;
  const drop = call.dropout && call.dropout.rate > 0 ? call.dropout : undefined;
  return tf.tidy(() => {
    if (!hasKernel('Attention')) return composed(inputs, { ...call, scale, dropout: drop });
    const given = isPacked ? { q: inputs.qkv, k: none(), v: none() } : { q: inputs.q, k: inputs.k, v: inputs.v };
    const seed = drop ? dropoutSeed(drop.rate, drop.seed) : none('int32');
    const optional = { bias: bias ?? none(), gate: gate ?? none(), mask: mask ?? none(), seed };
    const attrs = { heads, scale, keep: drop ? 1 / (1 - drop.rate) : 1, packed: isPacked };
    return runKernel('Attention', { ...given, ...optional }, attrs)[0]!;
  });
}

/** The weights [B, H, N, M] of the same call, before dropout. */
export function attentionWeights(inputs: AttentionInputs, call: AttentionCall): Tensor {
  return tf.tidy(() => {
    const [q, k] = split(inputs, call.heads);
    const scale = call.scale ?? q!.shape[3]! ** -0.5;
    // the scale goes onto the queries: N·d products instead of N·M
    let scores = tf.matMul(tf.mul(q!, scale), k!, false, true); // [B, H, N, M]
    const { bias, gate, mask } = call;
    if (bias) {
      const gated = gate ? tf.mul(tf.expandDims(tf.transpose(gate, [0, 2, 1]), 3), bias) : bias;
      scores = tf.add(scores, gated);
    }
    if (mask) scores = tf.add(scores, tf.reshape(mask, [mask.shape[0]!, 1, 1, mask.shape[1]!]));
    return tf.softmax(scores);
  });
}

function composed(inputs: AttentionInputs, call: AttentionCall): Tensor {
  const weights = attentionWeights(inputs, call);
  const dropped = call.dropout ? dropout(weights, call.dropout.rate, call.dropout.seed) : weights;
  return joinHeads(tf.matMul(dropped, split(inputs, call.heads)[2]!));
}

const split = (inputs: AttentionInputs, heads: number): Tensor[] =>
  ('qkv' in inputs ? tf.split(inputs.qkv, 3, 2) : [inputs.q, inputs.k, inputs.v]).map((x) => splitHeads(x, heads));

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
