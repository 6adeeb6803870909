/** Exponential moving averages of parameters: momentum encoders, targets, teachers. */
import { ConfigError, type Params } from '@unlabel/core';
import { tf } from './backend.ts';
import { ema } from './ops/ema.ts';

/** target ← decay·target + (1 − decay)·online, for every name of `target`. Names and shapes must match. */
export function emaUpdate(target: Params, online: Params, decay: number): void {
  if (!(decay >= 0 && decay <= 1)) throw new ConfigError(`emaUpdate: decay ${decay} is outside 0…1`);
  for (const [name, variable] of target) {
    const source = online.get(name);
    if (!source) throw new ConfigError(`emaUpdate: the online network has no parameter ${name}`);
    tf.tidy(() => variable.assign(ema(variable, source, decay)));
  }
}
