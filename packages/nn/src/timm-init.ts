/** First weights of timm's and DINO's transformers. */
import type { Params, Rng } from '@unlabel/core';
import { init, tf } from '@unlabel/engine';

/**
 * Matrices normal with deviation 0.02, cut at ±2 (which cuts nothing), biases 0; gains of norms stay 1. Each is drawn from
 * `rng.fork(prefix + name)`. Only parameters of rank 1 and 2 are touched.
 */
export function timmInit(params: Params, rng: Rng, prefix = ''): void {
  for (const [name, variable] of params) {
    if (variable.rank === 2) {
      const { data } = init.truncNormal(variable.shape, 0.02, rng.fork(`${prefix}${name}`));
      tf.tidy(() => variable.assign(tf.tensor(data, variable.shape)));
    } else if (variable.rank === 1 && name.endsWith('bias')) {
      tf.tidy(() => variable.assign(tf.zeros(variable.shape)));
    }
  }
}
