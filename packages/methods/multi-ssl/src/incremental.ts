/**
 * One method after another on one network (incremental learning): a stage goes on with the network of the stage before, and may be kept
 * near a frozen copy of it by L = L_k + β·D(f(x), f*(x)). Also the two other ways to hand a network on: progressive columns and
 * concatenation.
 */
import type { z } from 'zod';
import { backboneFamilies, concat, progressive } from '@unlabel/backbones';
import {
  ConfigError,
  learnerOf,
  type Backbone,
  type Batch,
  type Method,
  type Model,
  type Rng,
  type Scalar,
  type Step,
  type Tensor,
} from '@unlabel/core';
import { copyParams, tf, withoutGradient } from '@unlabel/engine';
import { contrastiveDistillation, euclideanDistillation } from '@unlabel/objectives';
import { buildAround } from './parts.ts';

export interface Distillation {
  readonly distance: 'none' | 'euclidean' | 'contrastive';
  /** β */
  readonly beta: number;
  /** τ of `contrastive`. */
  readonly temperature: number;
  /** Array of the batch whose features are compared; default its first. */
  readonly view?: string | undefined;
}

interface Continued extends Model {
  readonly inner: Model;
  readonly frozen: Backbone;
}

/** `method` on the network of the stage `previous`, which it moves and, where asked, is held near of. */
export function incremental(
  method: Method,
  id: string,
  previous: string,
  distillation: Distillation,
): Method<z.ZodObject, Continued> {
  const { distance, beta } = distillation;
  return {
    ...method,
    id,
    build(config, context) {
      const frozen = upstreamOf(context.upstream, previous);
      // what is handed on is for this method, not for the one inside
      const { rng } = context;
      const inner = buildAround(method, config, { rng, backbone: copyOf(frozen, rng.fork('copy')) });
      return continued(inner, frozen);
    },
    loss(model, batch, step) {
      const { loss, logs } = method.loss(model.inner, batch, step);
      if (distance === 'none' || beta === 0) return { loss, logs };
      const distilled = distill(model, batch, step, distillation);
      return {
        loss: tf.add(loss, tf.mul(distilled, beta)) as Scalar,
        logs: { ...logs, own: loss, distillation: distilled },
      };
    },
    ...handedOn(method),
  };
}

/** A stage around the model that it trains. */
function continued(inner: Model, frozen: Backbone): Continued {
  const { trainable, state, backbone } = inner;
  return { trainable, state, backbone, learner: learnerOf(inner), inner, frozen };
}

function distill(
  { inner, frozen }: Continued,
  batch: Batch,
  step: Step,
  { distance, temperature, view: wanted }: Distillation,
): Scalar {
  const view = wanted ?? Object.keys(batch)[0]!;
  const x = batch[view];
  if (!x)
    throw new ConfigError(
      `multi: the batch has ${Object.keys(batch).join(', ')}, not ${view}. Set view to one of them.`,
    );
  const { clip } = learnerOf(inner).forward(x, { training: true, rng: step.rng.fork('distillation') });
  const target: Tensor = withoutGradient(() => frozen.forward(x, { training: false }).clip);
  return distance === 'euclidean'
    ? euclideanDistillation(clip, target)
    : contrastiveDistillation(clip, target, temperature);
}

/** @throws ConfigError for a network without stages that a column can be connected to */
export function checkColumns({ id, mapWidths }: Backbone): void {
  if (!mapWidths) throw new ConfigError(`multi: the stages of ${id} cannot be connected, so there are no progressive columns of it.`); // prettier-ignore
}

/** `method` on a new column beside the frozen network of the stage `previous`. */
export function nextColumn(method: Method, id: string, previous: string): Method<z.ZodObject, Continued> {
  return {
    ...method,
    id,
    build(config, context) {
      const { rng } = context;
      const frozen = upstreamOf(context.upstream, previous);
      const { id: family, config: columnConfig } = frozen.standsFor ?? frozen;
      const column = backboneFamilies[family]!.build(columnConfig, rng.fork('column'));
      const backbone = progressive(frozen, column, rng.fork('laterals'));
      const inner = buildAround(method, config, { rng, backbone });
      return continued(inner, frozen);
    },
    loss: (model, batch, step) => method.loss(model.inner, batch, step),
    ...handedOn(method),
  };
}

/** The other hooks of a method, on the model inside. */
function handedOn(method: Method): Pick<Method<z.ZodObject, Continued>, 'beforeStep' | 'afterStep' | 'betweenEpochs'> {
  return {
    ...(method.beforeStep && { beforeStep: (model, step) => method.beforeStep!(model.inner, step) }),
    ...(method.afterStep && { afterStep: (model, batch, step) => method.afterStep!(model.inner, batch, step) }),
    ...(method.betweenEpochs && {
      betweenEpochs: (model, epoch, data, rng) => method.betweenEpochs!(model.inner, epoch, data, rng),
    }),
  };
}

/** No training: the networks of the stages before, side by side. Takes its input from `like`. */
export function concatenation(like: Method, id: string, previous: readonly string[]): Method {
  return {
    ...like,
    id,
    build: (_config, { upstream }) => {
      const backbone = concat(previous.map((stage) => upstreamOf(upstream, stage)));
      return { trainable: new Map(), state: backbone.params, backbone };
    },
    loss: () => {
      throw new ConfigError('a concatenation has nothing to train.');
    },
  };
}

function upstreamOf(upstream: Readonly<Record<string, Backbone>> | undefined, stage: string): Backbone {
  const found = upstream?.[stage];
  if (!found) throw new ConfigError(`multi: the network of stage ${stage} was not handed on.`);
  return found;
}

/** A trainable network with the frozen one's values. */
function copyOf(frozen: Backbone, rng: Rng): Backbone {
  const copy = backboneFamilies[frozen.id]!.build(frozen.config, rng);
  copyParams(frozen.params, copy.params);
  return copy;
}
