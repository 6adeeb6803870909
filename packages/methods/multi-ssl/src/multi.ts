/**
 * Combinations of self-supervised methods in one representation: several at once, one after the other, in columns, or side by side.
 *
 * Vasudevan, Dai, Van Gool, "Multi-Task Self-Supervised Learning for Audio-Visual Scenes", CVPR 2022, arXiv 2201.01046. Its code was
 * never released; what the paper leaves open (which features are compared, β, τ, the weights) are fields here.
 */
import { z } from 'zod';
import type { Card, Method, Stage } from '@unlabel/core';
import { tf } from '@unlabel/engine';
import { checkColumns, concatenation, incremental, nextColumn, type Distillation } from './incremental.ts';
import { joint } from './joint.ts';
import { buildAround, checkInputs, checkMethods, partsSchema, sharedPresets, type PartsConfig } from './parts.ts';

const strategies = ['il', 'joint', 'progressive', 'concat'] as const;

/** Fields of every combination. */
export const multiFields = {
  strategy: z.enum(strategies).default('il'),
  /** What keeps a stage of `il` near the one before. */
  distance: z.enum(['none', 'euclidean', 'contrastive']).default('contrastive'),
  beta: z.number().min(0).default(1).meta({ symbol: 'β' }),
  temperature: z.number().positive().default(0.1).meta({ symbol: 'τ' }),
  /** Array of the batch whose features the distance compares; default its first (`view1`, `audio1`). */
  view: z.string().optional(),
  /** How `joint` weighs the losses. */
  weighting: z.enum(['fixed', 'uncertainty']).default('fixed'),
  /** w by method id, for `fixed`; 1 where none is given. */
  weights: z.record(z.string(), z.number().min(0)).default({}),
};

const card: Card = {
  title: 'Multi-SSL: several self-supervised tasks in one representation',
  authors: 'Arun Balajee Vasudevan, Dengxin Dai, Luc Van Gool',
  year: 2022,
  paper: 'https://arxiv.org/abs/2201.01046',
  licence: 'no code or weights were published',
  modality: 'audio',
  differences: [
    'Order of tasks, lengths of stages, β and the features that are compared are not in the paper; they are fields.',
  ],
};

/**
 * A method that combines `methods`, in their order, as its config says. It runs in stages named after the methods (`joint`: one stage).
 * @throws ConfigError, here or from `stages`, for methods that cannot be combined, with the reason
 */
export function multi(methods: readonly Method[]): Method {
  checkMethods(methods);
  const id = `multi:${methods.map((method) => method.id).join(',')}`;
  const config = z.strictObject({ ...multiFields, parts: partsSchema(methods) });
  const method: Method<typeof config> = {
    id,
    card: { ...card, modality: methods[0]!.card.modality },
    config,
    recipe: methods[0]!.recipe,
    presets: Object.fromEntries(
      Object.entries(sharedPresets(methods)).map(([name, { note, parts }]) => [
        name,
        name === 'paper' ? { note } : { note, config: { parts: parts as PartsConfig } },
      ]),
    ),
    input: ({ parts }) => methods[0]!.input(parts[methods[0]!.id]!.config),
    views: ({ parts }) => methods[0]!.views(parts[methods[0]!.id]!.config),
    build: ({ parts }, context) => methods[0]!.build(parts[methods[0]!.id]!.config, context),
    loss: (model, batch, step) => methods[0]!.loss(model, batch, step),
    stages(given) {
      checkInputs(methods, given.parts, given.strategy === 'joint');
      switch (given.strategy) {
        case 'joint':
          return [
            {
              id: 'joint',
              method: joint(methods, id, given),
              config: { parts: given.parts },
              recipe: given.parts[methods[0]!.id]!.recipe,
            },
          ];
        case 'il':
          return chain(
            methods,
            given.parts,
            (one, previous) => incremental(one, id, previous, given satisfies Distillation),
            true,
          );
        case 'progressive':
          return chain(methods, given.parts, (one, previous) => nextColumn(one, id, previous), false);
        case 'concat':
          return apart(methods, given.parts, id);
      }
    },
  };
  return method;
}

/** Stages that each take the network of the one before. */
function chain(
  methods: readonly Method[],
  parts: PartsConfig,
  after: (method: Method, previous: string) => unknown,
  isOneNetwork: boolean,
): Stage[] {
  return methods.map((method, i): Stage => {
    const own = parts[method.id]!;
    const previous = methods[i - 1]?.id;
    return {
      id: method.id,
      method:
        previous === undefined ? withCheck(method, methods, parts, isOneNetwork) : (after(method, previous) as Method),
      config: own.config,
      recipe: own.recipe,
      ...(previous !== undefined && { upstream: [previous] }),
      ...(isOneNetwork && { watch: methods.slice(0, i).map((earlier) => ({ stage: earlier.id, method: earlier })) }),
    };
  });
}

/** Every method by itself, then their networks side by side. */
function apart(methods: readonly Method[], parts: PartsConfig, id: string): Stage[] {
  const alone = methods.map((method): Stage => ({ id: method.id, method, ...parts[method.id]! }));
  const [first] = methods;
  const ids = methods.map((method) => method.id);
  const last = concatenation(first!, id, ids);
  return [
    ...alone,
    { id: 'concat', method: last, config: parts[first!.id]!.config, recipe: { steps: 0 }, upstream: ids },
  ];
}

/** The first stage, which finds out before it trains whether the later methods can take its network. */
function withCheck(first: Method, methods: readonly Method[], parts: PartsConfig, isOneNetwork: boolean): Method {
  return {
    ...first,
    build(config, context) {
      const model = first.build(config, context);
      if (!isOneNetwork) checkColumns(model.backbone);
      for (const later of methods.slice(1)) {
        const trial = buildAround(later, parts[later.id]!.config, {
          rng: context.rng.fork('trial'),
          backbone: model.backbone,
        });
        const own = new Set([...model.trainable.values(), ...model.state.values()]);
        tf.dispose([...trial.trainable.values(), ...trial.state.values()].filter((variable) => !own.has(variable)));
      }
      return model;
    },
  };
}
