/**
 * Several methods at once on one network: L = Σ_t w_t·L_t with fixed weights, or Σ_t exp(−s_t)·L_t + s_t/2 with learned ones (Kendall,
 * Gal, Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018, arXiv 1705.07115v3, Eq. 10 up to a factor).
 */
import { z } from 'zod';
import {
  ConfigError,
  learnerOf,
  type Batch,
  type Method,
  type Model,
  type Params,
  type Rng,
  type Sample,
  type Scalar,
  type Step,
  type Tensor,
  type Variable,
} from '@unlabel/core';
import { parameter, prefixed, tf } from '@unlabel/engine';
import { buildAround, checkInputs, partsSchema, type PartsConfig } from './parts.ts';

export interface JointOptions {
  readonly weighting: 'fixed' | 'uncertainty';
  /** w_t by method id, for `fixed`; 1 where none is given. */
  readonly weights: Readonly<Record<string, number>>;
}

export interface Joint extends Model {
  readonly models: Readonly<Record<string, Model>>;
  /** s_t by method id, for `uncertainty`. */
  readonly logVariances: Readonly<Record<string, Variable>>;
}

/** One method of several on one network: their views of one crop, their heads beside each other. It trains with the first's recipe. */
export function joint(methods: readonly Method[], id: string, { weighting, weights }: JointOptions): Method {
  const [first] = methods;
  const unlike = methods.find((one) => one.betweenEpochs !== undefined);
  if (unlike)
    throw new ConfigError(
      `multi: ${unlike.id} works on the whole set between epochs, which joint training cannot share.`,
    );
  for (const name of Object.keys(weights)) {
    if (!methods.some((method) => method.id === name))
      throw new ConfigError(`multi: weights.${name}: no such method here.`);
  }
  const config = z.strictObject({ parts: partsSchema(methods) });
  const partsOf = (given: Readonly<Record<string, unknown>>): PartsConfig => given['parts'] as PartsConfig;
  const method: Method<typeof config, Joint> = {
    ...first!,
    id,
    config,
    accumulates: methods.every(({ accumulates }) => accumulates === true),
    presets: { paper: { note: 'The defaults of its methods.' } },
    input(given) {
      const inputs = checkInputs(methods, partsOf(given), true);
      const crops = Math.max(...inputs.map((input) => input.crops ?? 1));
      return { ...inputs[0]!, ...(crops > 1 && { crops }) };
    },
    views(given) {
      const views = methods.map((one) => [one.id, one.views(partsOf(given)[one.id]!.config)] as const);
      return async (sample, context) => {
        const rows: [string, Sample[string]][] = [];
        for (const [name, make] of views) {
          const row = await make(sample, { ...context, rng: context.rng.fork(name) });
          for (const [key, array] of Object.entries(row)) rows.push([`${name}/${key}`, array]);
        }
        return Object.fromEntries(rows);
      };
    },
    build(given, context) {
      const models: Record<string, Model> = {};
      for (const one of methods) {
        const own = { ...context, rng: context.rng.fork(one.id) };
        const shared = models[first!.id] && learnerOf(models[first!.id]!);
        const partConfig = partsOf(given)[one.id]!.config;
        models[one.id] = shared
          ? buildAround(one, partConfig, { ...own, backbone: shared })
          : one.build(partConfig, own);
      }
      const logVariances: Record<string, Variable> = {};
      if (weighting === 'uncertainty') {
        for (const { id: name } of methods) logVariances[name] = parameter({ data: Float32Array.of(0), shape: [] });
      }
      return {
        trainable: eachOnce(methods, models, (model) => model.trainable, logVariances),
        state: eachOnce(methods, models, (model) => model.state),
        backbone: models[first!.id]!.backbone,
        learner: learnerOf(models[first!.id]!),
        models,
        logVariances,
      };
    },
    beforeStep(model, step) {
      for (const one of methods) one.beforeStep?.(model.models[one.id]!, stepOf(step, one.id));
    },
    loss(model, batch, step) {
      const logs: Record<string, Scalar> = {};
      const terms = methods.map((one) => {
        const { id: name } = one;
        const result = one.loss(model.models[name]!, batchOf(batch, name), stepOf(step, name));
        logs[name] = result.loss;
        for (const [key, log] of Object.entries(result.logs)) logs[`${name}/${key}`] = log;
        const s = model.logVariances[name];
        if (!s) return tf.mul(result.loss, weights[name] ?? 1);
        logs[`${name}/s`] = s as Tensor as Scalar;
        return uncertaintyTerm(result.loss, s);
      });
      return { loss: tf.addN(terms) as Scalar, logs };
    },
    afterStep(model, batch, step) {
      for (const one of methods) one.afterStep?.(model.models[one.id]!, batchOf(batch, one.id), stepOf(step, one.id));
    },
  };
  return method;
}

/** exp(−s)·L + s/2 */
export const uncertaintyTerm = (loss: Tensor, s: Tensor): Tensor =>
  tf.add(tf.mul(tf.exp(tf.neg(s)), loss), tf.div(s, 2));

const stepOf = (step: Step, name: string): Step => ({ ...step, rng: step.rng.fork(name) as Rng });

const batchOf = (batch: Batch, name: string): Batch =>
  Object.fromEntries(
    Object.entries(batch).flatMap(([key, tensor]) =>
      key.startsWith(`${name}/`) ? [[key.slice(name.length + 1), tensor]] : [],
    ),
  );

/** Every variable once, under the first of its names: those of the shared network belong to each model. */
function eachOnce(
  methods: readonly Method[],
  models: Readonly<Record<string, Model>>,
  pick: (model: Model) => Params,
  more: Readonly<Record<string, Variable>> = {},
): Params {
  const seen = new Set<Variable>();
  const all = [
    ...methods.flatMap(({ id }) => [...prefixed(id, pick(models[id]!))]),
    ...Object.entries(more).map(([name, variable]): [string, Variable] => [`${name}.s`, variable]),
  ];
  return new Map(all.filter(([, variable]) => !seen.has(variable) && seen.add(variable)));
}
