/** What the combinations share: the methods that take part, their configs, and the reasons why some cannot. */
import { z } from 'zod';
import {
  canonicalJson,
  ConfigError,
  learnerOf,
  mergeConfig,
  messageOf,
  type Backbone,
  type BuildContext,
  type InputSpec,
  type Method,
  type Model,
  type Recipe,
} from '@unlabel/core';

/** Config of one part. */
export interface PartConfig {
  /** Fields of the method. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Fields that differ from the method's recipe. */
  readonly recipe: Partial<Recipe>;
}

/** By method id. */
export type PartsConfig = Readonly<Record<string, PartConfig>>;

/** A strict object with `config` and `recipe` of every method. */
export function partsSchema(methods: readonly Method[]): z.ZodType<PartsConfig> {
  const part = (method: Method): z.ZodType =>
    z
      .strictObject({ config: method.config.prefault({}), recipe: z.record(z.string(), z.unknown()).default({}) })
      .prefault({});
  return z
    .strictObject(Object.fromEntries(methods.map((method) => [method.id, part(method)])))
    .prefault({}) as unknown as z.ZodType<PartsConfig>; // the shape is only known by name
}

/** The presets that every method has, as configs of the parts. */
export function sharedPresets(
  methods: readonly Method[],
): Record<string, { note: string; parts: Record<string, unknown> }> {
  const names = Object.keys(methods[0]!.presets).filter((name) => methods.every((method) => name in method.presets));
  return Object.fromEntries(
    names.map((name) => [
      name,
      {
        note: `Every method with its ${name} preset.`,
        parts: Object.fromEntries(
          methods.map(({ id, presets }) => [
            id,
            { config: { ...presets[name]!.config }, recipe: { ...presets[name]!.recipe } },
          ]),
        ),
      },
    ]),
  );
}

/** Refuses what cannot be combined whatever the config. */
export function checkMethods(methods: readonly Method[]): void {
  const ids = methods.map(({ id }) => id);
  if (methods.length < 2)
    throw new ConfigError(`multi: expected two methods or more, found ${ids.join(', ') || 'none'}.`);
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined)
    throw new ConfigError(`multi: ${twice} stands twice; a combination is of different methods.`);
  const staged = methods.find((method) => method.stages !== undefined);
  if (staged) throw new ConfigError(`multi: ${staged.id} runs in stages of its own, and cannot be one of another's.`);
  const odd = methods.find(({ card }) => card.modality !== methods[0]!.card.modality);
  if (odd) {
    throw new ConfigError(
      `multi: ${ids[0]} learns from ${methods[0]!.card.modality}, ${odd.id} from ${odd.card.modality}; one network cannot take both.`,
    );
  }
}

/** Fields of `input` that decide what a network gets; a crop's length and place may differ between stages. */
const networkFields = ['modality', 'sampleRate', 'channels', 'frontEnd', 'normalize', 'image'] as const;

/** Fields of one batch for all. */
const cropFields = ['seconds', 'padding', 'crop'] as const;

/** Of images, stages share what values are brought to, and only one batch the size. */
const fieldOf = (input: InputSpec, field: keyof InputSpec, isOneBatch: boolean): unknown =>
  field === 'image' && input.image && !isOneBatch ? { mean: input.image.mean, std: input.image.std } : input[field];

/** The inputs of the parts; refuses those whose networks would get different ones. `isOneBatch`: they also share the crop. */
export function checkInputs(methods: readonly Method[], parts: PartsConfig, isOneBatch: boolean): InputSpec[] {
  const inputs = methods.map((method) => method.input(parts[method.id]!.config));
  const fields = isOneBatch ? [...networkFields, ...cropFields] : networkFields;
  for (const [i, input] of inputs.entries()) {
    for (const field of fields) {
      const [there, here] = [inputs[0]!, input].map((one) => canonicalJson(fieldOf(one, field, isOneBatch) ?? null));
      if (there === here) continue;
      throw new ConfigError(
        `multi: ${methods[0]!.id} and ${methods[i]!.id} take different inputs (${field}: ${there} and ${here}). ` +
          `Set the fields of one to those of the other, as parts.${methods[i]!.id}.config.…`,
      );
    }
  }
  return inputs;
}

/**
 * The model of `method` around a given network.
 * @throws ConfigError when the method does not take one, or needs another
 */
export function buildAround(
  method: Method,
  config: Readonly<Record<string, unknown>>,
  context: BuildContext & { readonly backbone: Backbone },
): Model {
  const model = builtOrReason(method, config, context);
  if (learnerOf(model) === context.backbone) return model;
  throw new ConfigError(
    `multi: ${method.id} trains a network of its own and cannot share one (it does not use networkOf).`,
  );
}

function builtOrReason(method: Method, config: Readonly<Record<string, unknown>>, context: BuildContext): Model {
  try {
    return method.build(mergeConfig({ ...config }), context);
  } catch (cause) {
    if (cause instanceof ConfigError) throw new ConfigError(`multi: ${method.id}: ${messageOf(cause)}`, { cause });
    throw cause;
  }
}
