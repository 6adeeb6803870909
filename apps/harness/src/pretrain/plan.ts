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
  /** The stage that is not run, because a given network takes its place. */
  readonly replaced?: string;
}

/**
 * Config and recipe of every part: defaults ← stage ← preset ← `overrides` (its `stages.<id>` for one stage). `isGiven`: the run begins with
 * a trained network (`--from`).
 */
export function planOf(
  method: Method,
  preset: string,
  overrides: Readonly<Record<string, unknown>>,
  { isGiven = false }: { readonly isGiven?: boolean } = {},
): Plan {
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
  const replaced = isGiven && stages[0]?.isReplaceable ? stages[0].id : undefined;
  if (replaced !== undefined && replaced in perStage)
    throw new ConfigError(
      `${method.id}: stage ${replaced} is not run, --from takes its place; nothing can be set in it.`,
    );
  const common = mergeConfig({ ...method.presets[preset]?.recipe }, general['recipe'] as Record<string, unknown>);
  const all = stages.map((stage, i): Part => {
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
    if ([...state, ...watch.map((one) => one.stage)].some((id) => id === replaced))
      throw new ConfigError(`${where}: it needs more of ${replaced} than its network, which is all that --from gives.`);
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
  const parts = all.filter(({ stage }) => stage !== replaced);
  if (parts.length === 0) {
    const why = replaced === undefined ? '' : ` beside ${replaced}, whose place --from takes`;
    throw new ConfigError(`${method.id}: its config leaves no stage to run${why}.`);
  }
  return { config, parts, ...(replaced !== undefined && { replaced }) };
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
