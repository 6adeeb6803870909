/** First weights of BEATs (microsoft/unilm beats/backbone.py@768a3c8): BERT's normal, then DeepNorm's gains on the encoder's projections. */
import type { Params, Rng, Variable } from '@unlabel/core';
import { init, tf } from '@unlabel/engine';
import { deepNormGain } from '@unlabel/nn';

/** BERT's deviation of every linear weight. */
const DEVIATION = 0.02;

/**
 * Draws the linear layers of encoder layers anew: N(0, 0.02²) and no biases; with DeepNorm Xavier's normal, of gain 1 for queries and
 * keys and (8·depth)^−¼ for values, output projections and the feed-forward. `params` hold one layer's, by fairseq's names.
 */
export function initEncoderLayer(params: Params, depth: number, isDeepNorm: boolean, rng: Rng): void {
  for (const [name, variable] of params) {
    const isLinear = /(_proj|grep_linear|fc1|fc2)\.(weight|bias)$/.test(name);
    if (!isLinear) continue;
    if (name.endsWith('bias')) tf.tidy(() => variable.assign(tf.zeros(variable.shape)));
    else assignNormal(variable, deviationOf(name, variable, depth, isDeepNorm), rng.fork(name));
  }
}

function deviationOf(name: string, { shape }: Variable, depth: number, isDeepNorm: boolean): number {
  if (!isDeepNorm || name.includes('grep_linear')) return DEVIATION;
  const gain = /[qk]_proj/.test(name) ? 1 : deepNormGain(depth);
  return gain * Math.sqrt(2 / (shape[0]! + shape[1]!));
}

/** N(0, deviation²) in place. */
function assignNormal(variable: Variable, deviation: number, rng: Rng): void {
  const { data } = init.truncNormal(variable.shape, deviation, rng, Infinity); // cut nowhere; its draws are fast
  tf.tidy(() => variable.assign(tf.tensor(data, variable.shape)));
}
