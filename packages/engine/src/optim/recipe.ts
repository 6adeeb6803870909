/** The optimiser a recipe names. */
import { ConfigError, type Params, type Recipe } from '@unlabel/core';
import { adamW } from './adamw.ts';
import { lars } from './lars.ts';
import { decayExceptVectors, type Optimizer } from './optimizer.ts';
import { sgd } from './sgd.ts';

const known = {
  sgd: ['isNesterov', 'decayExceptVectors'],
  lars: ['isNesterov', 'trustCoefficient', 'isRateInside', 'vectorRate', 'decayExceptVectors'],
  adamw: ['beta1', 'beta2', 'eps', 'isAmsgrad', 'decayExceptVectors'],
} as const;

/**
 * SGD, LARS or AdamW over the trainable parameters. `recipe.options` may hold the optimiser's own options and
 * `decayExceptVectors`; anything else is a ConfigError. LARS excludes vectors by default, the others decay everything.
 */
export function optimizerFor(recipe: Recipe, trainable: Params): Optimizer {
  const given = recipe.options ?? {};
  const allowed: readonly string[] = known[recipe.optimizer];
  const wrong = Object.keys(given).find((key) => !allowed.includes(key));
  if (wrong !== undefined) {
    throw new ConfigError(`recipe.options.${wrong}: ${recipe.optimizer} knows ${allowed.join(', ')}`);
  }
  const number = (key: string) => (typeof given[key] === 'number' ? { [key]: given[key] } : {});
  const flag = (key: string) => (typeof given[key] === 'boolean' ? { [key]: given[key] } : {});
  const common = {
    ...(recipe.weightDecay === undefined ? {} : { weightDecay: recipe.weightDecay }),
    ...(given['decayExceptVectors'] === true ? { isDecayed: decayExceptVectors } : {}),
  };
  const momentum = recipe.momentum === undefined ? {} : { momentum: recipe.momentum };
  if (recipe.optimizer === 'adamw') {
    return adamW(trainable, {
      ...common,
      ...number('beta1'),
      ...number('beta2'),
      ...number('eps'),
      ...flag('isAmsgrad'),
    });
  }
  if (recipe.optimizer === 'lars') {
    return lars(trainable, {
      ...common,
      ...momentum,
      ...number('trustCoefficient'),
      ...number('vectorRate'),
      ...flag('isNesterov'),
      ...flag('isRateInside'),
    });
  }
  return sgd(trainable, { ...common, ...momentum, ...flag('isNesterov') });
}
