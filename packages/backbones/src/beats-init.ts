/** First weights of BEATs (microsoft/unilm beats/backbone.py@768a3c8): BERT's normal, then DeepNorm's gains on the encoder's projections. */
import { sizeOf, type Params, type Rng, type Variable } from '@unlabel/core';
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

/** N(0, deviation²) in place; pairs of Box and Muller from a hash of the position, because networks have millions of them. */
function assignNormal(variable: Variable, deviation: number, rng: Rng): void {
  const pairs = Math.ceil(sizeOf(variable.shape) / 2);
  const uniforms = init.uniform([2 * pairs], 0.5, rng).data; // −½ … ½, ½ itself left out
  const data = new Float32Array(2 * pairs);
  for (let i = 0; i < data.length; i += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log(0.5 - uniforms[i]!));
    const angle = 2 * Math.PI * uniforms[i + 1]!;
    data[i] = radius * Math.cos(angle);
    data[i + 1] = radius * Math.sin(angle);
  }
  tf.tidy(() => variable.assign(tf.tensor(data.subarray(0, variable.size), variable.shape)));
}
