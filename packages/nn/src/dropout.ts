/** Dropout: Srivastava et al., JMLR 2014, scaled at training time. */
import { ConfigError } from '@unlabel/core';
import { dropout as drop } from '@unlabel/engine';
import { stateless, type Layer } from './layer.ts';

/** Zeroes each element with probability `rate` when training and divides the others by 1 − rate. */
export function dropout(rate: number): Layer {
  if (!(rate >= 0 && rate < 1)) throw new ConfigError(`dropout: rate ${rate} is outside 0…1`);
  return stateless((x, { training, rng }) => {
    if (!training || rate === 0) return x;
    if (!rng) throw new ConfigError('dropout: training needs a random generator (options.rng)');
    return drop(x, rate, rng.int(2 ** 32));
  });
}
