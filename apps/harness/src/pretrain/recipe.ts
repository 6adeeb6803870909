/** A method's config and recipe resolved: defaults ← preset ← overrides, checked. No engine here. */
import { z } from 'zod';
import {
  ConfigError,
  mergeConfig,
  parseConfig,
  unknownName,
  type Method,
  type Recipe,
  type Varispeed,
} from '@unlabel/core';

const semitones = z.number().min(-24).max(24);

/** Whether two speeds, single ones or draws of ranges [low, high), can never be equal; the recording's own is 0. */
function isDifferent(varispeed: readonly Varispeed[]): boolean {
  const ranges = [0, ...varispeed].map((one) => (typeof one === 'number' ? ([one, one] as const) : one));
  ranges.sort(([a, aEnd], [b, bEnd]) => a - b || aEnd - bEnd);
  return ranges.every(([low, high], i) => {
    const [last, lastEnd] = ranges[i - 1] ?? [-Infinity, -Infinity];
    return low <= high && (low > lastEnd || (low === lastEnd && last < lastEnd));
  });
}

const recipeSchema = z.strictObject({
  optimizer: z.enum(['sgd', 'lars', 'adamw']),
  lr: z.number().positive(),
  lrBatchSize: z.int().positive().optional(),
  finalLr: z.number().min(0).optional(),
  momentum: z.number().min(0).max(1).optional(),
  weightDecay: z.number().min(0).optional(),
  finalWeightDecay: z.number().min(0).optional(),
  options: z.record(z.string(), z.union([z.number(), z.boolean()])).optional(),
  schedule: z.enum(['constant', 'cosine', 'linear']),
  warmupEpochs: z.number().min(0).optional(),
  warmupSteps: z.int().min(0).optional(),
  isPeakInWarmup: z.boolean().optional(),
  batchSize: z.int().min(2),
  epochs: z.number().positive(),
  steps: z.int().min(0).optional(),
  clipNorm: z.number().positive().optional(),
  accumulate: z.int().positive().optional(),
  varispeed: z
    .array(z.union([semitones, z.tuple([semitones, semitones])]))
    .refine(
      isDifferent,
      'expected different semitones, none of them 0, or ranges [low, high] that do not overlap nor hold 0',
    )
    .optional(),
});

export interface Resolved {
  readonly config: Record<string, unknown>;
  readonly recipe: Recipe;
}

/** Defaults ← preset ← `--config` file ← `--set`. `recipe.*` keys go to the recipe, the rest to the config. */
export function resolveMethod(
  method: Method,
  presetName: string,
  overrides: Readonly<Record<string, unknown>>,
): Resolved {
  const preset = method.presets[presetName];
  if (!Object.hasOwn(method.presets, presetName) || !preset) {
    throw new ConfigError(unknownName(`preset of ${method.id}`, presetName, Object.keys(method.presets)));
  }
  const { recipe: recipeOverrides, ...configOverrides } = overrides;
  if (recipeOverrides !== undefined && (typeof recipeOverrides !== 'object' || recipeOverrides === null)) {
    throw new ConfigError('--set recipe=…: set one field, for example --set recipe.lr=0.003');
  }
  const where = method.id;
  return {
    config: resolveConfig(method, mergeConfig(preset.config, configOverrides), where),
    recipe: resolveRecipe(method, [{ ...preset.recipe }, recipeOverrides as Record<string, unknown>], where),
  };
}

export const resolveConfig = (method: Method, config: unknown, where: string): Record<string, unknown> =>
  parseConfig(method.config, config, `${where} config`);

/** The method's recipe under layers of overrides. */
export function resolveRecipe(
  method: Method,
  layers: readonly (Readonly<Record<string, unknown>> | undefined)[],
  where: string,
): Recipe {
  const merged = layers.reduce<Record<string, unknown>>(mergeRecipe, { ...method.recipe });
  const recipe = parseConfig(recipeSchema, merged, `${where} recipe`) as Recipe;
  const { accumulate = 1, batchSize } = recipe;
  if (accumulate > 1 && !method.accumulates) {
    throw new ConfigError(
      `${where} recipe: the loss of ${method.id} needs its whole batch at once; set recipe.accumulate to 1.`,
    );
  }
  if (batchSize % accumulate !== 0) {
    throw new ConfigError(
      `${where} recipe: a batch of ${batchSize} does not divide into ${accumulate} equal parts (recipe.accumulate).`,
    );
  }
  return recipe;
}

/** `options` are those of an optimiser: another one starts without them. */
function mergeRecipe(
  { options, ...rest }: Record<string, unknown>,
  changes: Readonly<Record<string, unknown>> | undefined,
): Record<string, unknown> {
  const isSame = changes?.['optimizer'] === undefined || changes['optimizer'] === rest['optimizer'];
  return mergeConfig(isSame && options !== undefined ? { ...rest, options } : rest, changes);
}

/** Optimiser steps of a recipe over `files` inputs: epochs are passes over all of them, at every speed. */
export function stepsOf(recipe: Recipe, files: number): number {
  const items = files * (1 + (recipe.varispeed?.length ?? 0));
  return recipe.steps ?? Math.max(1, Math.round((recipe.epochs * items) / recipe.batchSize));
}
