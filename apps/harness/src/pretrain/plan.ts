/** What a run consists of: one part for most methods, one a stage for those that have `stages`. No engine here. */
import {
  ConfigError,
  createRng,
  isPlainObject,
  mergeConfig,
  unknownName,
  type Method,
  type Recipe,
  type Rng,
  type Stage,
} from '@unlabel/core';
import { resolveConfig, resolveMethod, resolveRecipe } from './recipe.ts';

export interface Part {
  /** The stage's id; undefined in a run of one part. */
  readonly stage: string | undefined;
  readonly method: Method;
  readonly config: Record<string, unknown>;
  readonly recipe: Recipe;
  readonly upstream: readonly string[];
  readonly state: readonly string[];
  readonly watch: NonNullable<Stage['watch']>;
}

export interface Plan {
  /** Of the method asked for. */
  readonly config: Record<string, unknown>;
  readonly parts: readonly Part[];
}

/** Config and recipe of every part: defaults ← stage ← preset ← `overrides` (its `stages.<id>` for one stage). */
export function planOf(method: Method, preset: string, overrides: Readonly<Record<string, unknown>>): Plan {
  const { stages: perStage = {}, ...general } = overrides;
  const { config, recipe } = resolveMethod(method, preset, general);
  if (!method.stages) {
    if ('stages' in overrides) throw new ConfigError(`${method.id} has no stages; nothing can be set in stages.…`);
    return { config, parts: [{ stage: undefined, method, config, recipe, upstream: [], state: [], watch: [] }] };
  }
  const stages = method.stages(config);
  const ids = stages.map(({ id }) => id);
  if (!isPlainObject(perStage))
    throw new ConfigError('--set stages=…: set one field, for example --set stages.a.recipe.lr=1e-3');
  for (const id of Object.keys(perStage)) {
    if (!ids.includes(id)) throw new ConfigError(unknownName(`stage of ${method.id}`, id, ids));
  }
  const common = mergeConfig({ ...method.presets[preset]?.recipe }, general['recipe'] as Record<string, unknown>);
  const parts = stages.map((stage, i): Part => {
    const where = `stage ${stage.id} of ${method.id}`;
    if (!/^[a-z0-9][a-z0-9-]*$/.test(stage.id) || ids.indexOf(stage.id) !== i) {
      throw new ConfigError(
        `${where}: ids are of lower-case letters, digits and "-", each once; here are ${ids.join(', ')}.`,
      );
    }
    if (stage.method.stages)
      throw new ConfigError(`${where}: ${stage.method.id} has stages of its own; list them instead.`);
    const { upstream = [], state = [], watch = [] } = stage;
    for (const id of [...upstream, ...state, ...watch.map((one) => one.stage)]) {
      if (!ids.slice(0, i).includes(id)) throw new ConfigError(`${where}: it needs ${id}, which is no earlier stage.`);
    }
    const own = (perStage as Record<string, Record<string, unknown>>)[stage.id] ?? {};
    const { recipe: ownRecipe, ...ownConfig } = own;
    const ofAll = stage.recipe?.steps === 0 ? {} : common; // one that trains nothing still does not
    return {
      stage: stage.id,
      method: stage.method,
      config: resolveConfig(stage.method, mergeConfig({ ...stage.config }, ownConfig), where),
      recipe: resolveRecipe(stage.method, [{ ...stage.recipe }, ofAll, ownRecipe as Record<string, unknown>], where),
      upstream,
      state,
      watch,
    };
  });
  if (parts.length === 0) throw new ConfigError(`${method.id}: its config leaves no stage to run.`);
  return { config, parts };
}

/** The method that trains in `stage` of a run of `method`. */
export function methodOfStage(
  method: Method,
  config: Readonly<Record<string, unknown>>,
  stage: string | undefined,
): Method {
  if (stage === undefined) return method;
  const found = method.stages?.(method.config.parse(config)).find(({ id }) => id === stage);
  if (!found) throw new ConfigError(`${method.id} has no stage ${stage}.`);
  return found.method;
}

/** Where all draws of a part come from. */
export const rngOf = (seed: number, stage: string | undefined): Rng =>
  stage === undefined ? createRng(seed) : createRng(seed).fork('stage').fork(stage);
