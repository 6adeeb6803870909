/**
 * DenseCL: MoCo's contrast on images, and the same on the cells of the last feature map, each matched with the cell of the other view
 * whose features are nearest.
 *
 * [0] Wang, Zhang, Shen, Kong, Li, "Dense Contrastive Learning for Self-Supervised Visual Pre-Training", CVPR 2021, arXiv
 *     2011.09157v2.
 * [1] WXinlong/DenseCL openselfsup/models/densecl.py, necks.py@b64bbb6e (GPL-3.0: written from a description of it).
 *
 * Legend: B rows, S side of a view, N cells of the last map, D backbone width, C contrast width, K queue length, G groups of batch
 * statistics.
 */
import { drawingView, imageInput, imageInputFields, imageViewWith, twoImageViews } from '@unlabel/augment';
import { buildResnet, networkOf, type Resnet, resnetConfigSchema } from '@unlabel/backbones';
import {
  defineMethod,
  type Batch,
  type BuildContext,
  type Model,
  type Rng,
  type Scalar,
  type Step,
  type Tensor,
  type Variable,
} from '@unlabel/core';
import { buffersOf, emaUpdate, init, mergeParams, prefixed, tf, trainableOf, withoutGradient } from '@unlabel/engine';
import { mlp, type Layer } from '@unlabel/nn';
import { checkQueue, createQueue, enqueue, infoNce, unitRows } from '@unlabel/objectives';
import { z } from 'zod';

export const denseclConfig = z.strictObject({
  ...imageInputFields,
  view: imageViewWith({ cropScale: [0.2, 1] })
    .prefault({})
    .meta({ paper: '§4.1, as MoCo v2' }),
  backbone: resnetConfigSchema.prefault({}),
  /** Hidden width of both heads. */
  headWidth: z.int().positive().default(2048),
  contrastWidth: z.int().positive().default(128).meta({ symbol: 'C' }),
  queueSize: z.int().positive().default(65536).meta({ symbol: 'K', unit: 'keys, of either queue' }),
  temperature: z.number().positive().default(0.2).meta({ symbol: 'τ' }),
  keyMomentum: z.number().min(0).max(1).default(0.999).meta({ symbol: 'm' }),
  /** Share of the dense term. */
  lambda: z.number().min(0).max(1).default(0.5).meta({ symbol: 'λ', paper: 'Eq. 3' }),
  /** Steps without the dense term, while nearest features are still noise. */
  denseFrom: z.int().min(0).default(0).meta({ unit: 'steps', paper: 'a hook of the code, off in its configs' }),
  statisticsGroups: z.int().positive().default(8).meta({ symbol: 'G', paper: 'MoCo, arXiv 1911.05722v3 §3.3' }),
});
export type DenseclConfig = z.output<typeof denseclConfig>;

export interface DenseclNetwork {
  readonly backbone: Resnet;
  /** D → hidden → C on the pooled map, and on each of its cells: the necks `mlp` and `mlp2` of [1]. */
  readonly global: Layer;
  readonly dense: Layer;
}

export interface Densecl extends Model {
  readonly config: DenseclConfig;
  readonly query: DenseclNetwork;
  readonly key: DenseclNetwork;
  /** Negatives [C, K]: keys of images, and the means of their cells' keys. */
  readonly queue: Variable;
  readonly denseQueue: Variable;
  /** Keys of the last loss, waiting to enter the queues. */
  readonly pending: { keys?: Tensor; denseKeys?: Tensor };
}

export const densecl = defineMethod<typeof denseclConfig, Densecl>({
  id: 'densecl',
  card: {
    title: 'DenseCL: dense contrastive learning for self-supervised visual pre-training',
    authors: 'Xinlong Wang, Rufeng Zhang, Chunhua Shen, Tao Kong, Lei Li',
    year: 2021,
    paper: 'https://arxiv.org/abs/2011.09157v2',
    code: 'WXinlong/DenseCL@b64bbb6e267f729d16ca558233b0ef3028857381',
    licence: 'written from the paper and a description of the code (GPL-3.0)',
    modality: 'image',
    differences: [
      'Shuffled batch norm on one machine: statistics over groups of rows, dealt anew for the keys; running statistics follow all groups.',
      'The rate follows its cosine step by step; the code changes it once an epoch.',
    ],
  },
  config: denseclConfig,
  recipe: {
    optimizer: 'sgd',
    lr: 0.03,
    momentum: 0.9,
    weightDecay: 1e-4,
    schedule: 'cosine',
    batchSize: 256,
    epochs: 200,
  },
  presets: {
    paper: { note: 'ImageNet, 200 epochs: VOC detection AP 58.7 as published. 8 GPUs there.' },
    small: {
      note: 'For small drawings (`unlabel data build images`, pretrain-images/all.jsonl): ResNet of four blocks at 72 pixels, Adam, mild colours, 1500 steps, minutes on one core. Trained and untrained, kNN and linear: emoji-category 57.2 (54.5–60.0) and 49.0 (46.3–51.6), 53.9 (51.1–56.5) and 50.0 (47.4–52.6); emoji-transfer 49.4 (43.9–55.0) and 34.9 (29.7–40.5), 45.4 (39.6–50.7) and 33.0 (27.8–38.0); the README has the other tasks.',
      config: {
        imageSize: 72,
        evaluationSide: 72,
        cacheSide: 64,
        view: drawingView,
        backbone: { depth: 18, blocks: [1, 1, 1, 1], widths: [16, 32, 96, 192] },
        headWidth: 128,
        queueSize: 1024,
        keyMomentum: 0.99,
        statisticsGroups: 2,
      },
      recipe: { optimizer: 'adamw', lr: 2e-3, weightDecay: 1e-4, batchSize: 64, steps: 1500, warmupEpochs: 5 },
    },
    smoke: {
      note: 'Ends in seconds on a CPU; for tests.',
      config: {
        imageSize: 16,
        view: { cropScale: [0.7, 1], blur: 0, gray: 0, jitter: 0, flip: 0 },
        backbone: { depth: 18, blocks: [1, 1, 1, 1], widths: [8, 8, 16, 16], stem: 'small' },
        headWidth: 16,
        contrastWidth: 16,
        queueSize: 8,
        temperature: 0.1,
        keyMomentum: 0.5,
        statisticsGroups: 2,
      },
      recipe: { optimizer: 'adamw', lr: 1e-2, batchSize: 8, steps: 14 },
    },
  },
  input: imageInput,
  views: (config) => twoImageViews('densecl', [config.view, config.view], config),

  build(config, context) {
    const { rng } = context;
    const query = buildNetwork(config, context);
    const key: DenseclNetwork = { ...buildHeads(config, query.backbone.width, rng), backbone: query.backbone.clone() };
    const queue = createQueue(config.contrastWidth, config.queueSize, rng.fork('queue'));
    const denseQueue = createQueue(config.contrastWidth, config.queueSize, rng.fork('queue2'));
    const params = paramsOf(query);
    const queues = new Map([
      ['queue', queue],
      ['queue2', denseQueue],
    ]);
    return {
      trainable: trainableOf(params),
      state: mergeParams(buffersOf(params), prefixed('key', paramsOf(key)), queues),
      backbone: query.backbone,
      config,
      query,
      key,
      queue,
      denseQueue,
      pending: {},
    };
  },

  /** As MoCo: the key network moves first, parameters only. */
  beforeStep({ query, key, config }) {
    emaUpdate(trainableOf(paramsOf(key)), paramsOf(query), config.keyMomentum);
  },

  loss(model, batch, step) {
    const { single, dense, keys, denseKeys } = denseclTerms(model, batch, step);
    const { pending, config } = model;
    tf.dispose([pending.keys, pending.denseKeys].filter((held) => held !== undefined));
    pending.keys = tf.keep(withoutGradient(() => tf.clone(keys)));
    pending.denseKeys = tf.keep(withoutGradient(() => tf.clone(denseKeys)));
    const lambda = step.index < config.denseFrom ? 0 : config.lambda;
    const loss = tf.add(tf.mul(single, 1 - lambda), tf.mul(dense, lambda)) as Scalar; // Eq. 3
    return { loss, logs: { single, dense } };
  },

  afterStep({ queue, denseQueue, pending }, _batch, { index }) {
    if (!pending.keys || !pending.denseKeys) return;
    enqueue(queue, pending.keys, index);
    enqueue(denseQueue, pending.denseKeys, index);
    tf.dispose([pending.keys, pending.denseKeys]);
    delete pending.keys;
    delete pending.denseKeys;
  },
});

function buildNetwork(config: DenseclConfig, context: BuildContext): DenseclNetwork {
  const { rng } = context;
  const backbone = networkOf(context, () => buildResnet(config.backbone, rng.fork('backbone')));
  return { backbone, ...buildHeads(config, backbone.width, rng) };
}

function buildHeads({ headWidth, contrastWidth }: DenseclConfig, width: number, rng: Rng) {
  const head = (name: string): Layer => mlp({ widths: [width, headWidth, contrastWidth], hasNorm: false }, rng.fork(name)); // prettier-ignore
  const global = head('global');
  // [1] starts the linear layers as normal with variance 2/inputs and no bias, and leaves the 1×1 convolutions to torch
  for (const [name, variable] of global.params) {
    const { shape } = variable;
    const first = name.endsWith('.bias') ? init.zeros(shape) : init.kaimingNormal(shape, rng.fork(name), 'fanIn');
    tf.tidy(() => variable.assign(tf.tensor(first.data, [...shape])));
  }
  return { global, dense: head('dense') };
}

const paramsOf = ({ backbone, global, dense }: DenseclNetwork) =>
  mergeParams(prefixed('backbone', backbone.params), prefixed('mlp', global.params), prefixed('mlp2', dense.params));

export interface DenseclEmbedding {
  /** [B, C], of unit length. */
  readonly image: Tensor;
  /** [B, N, C], each cell of unit length. */
  readonly cells: Tensor;
  /** Mean of the cells before they are brought to unit length, then brought to it [B, C]. */
  readonly pooled: Tensor;
  /** The backbone's last map, each cell of unit length [B, N, D]. */
  readonly features: Tensor;
}

/** x [B, S, S, 3]; rows are normalised in `groups`. */
export function denseclEmbed(network: DenseclNetwork, x: Tensor, training: boolean, groups = 1): DenseclEmbedding {
  const { backbone, global, dense } = network;
  const { clip, maps } = backbone.forward(x, { training, groups, maps: ['layer4'] });
  const [rows, height, width, channels] = maps!['layer4']!.shape as [number, number, number, number];
  const map = tf.reshape(maps!['layer4']!, [rows, height * width, channels]); // [B, N, D]
  const cells = dense.forward(map, { training }); // [B, N, C]
  return {
    image: unitRows(global.forward(clip, { training })),
    cells: unitRows(cells),
    pooled: unitRows(tf.mean(cells, 1)),
    features: unitRows(map),
  };
}

/** For each query cell the key cell with the nearest backbone features (Eq. 4 of [0]), as rows of [B·N]: [B·N] int32. */
export function correspondence(query: Tensor, key: Tensor): Tensor {
  const [rows, cells] = query.shape as [number, number];
  const nearest = tf.argMax(tf.matMul(query, key, false, true), 2); // [B, N]
  const first = tf.tensor2d(Int32Array.from({ length: rows }, (_, b) => b * cells), [rows, 1], 'int32'); // prettier-ignore
  return tf.reshape(tf.add(nearest, first), [-1]);
}

export interface DenseclTerms {
  readonly single: Scalar;
  readonly dense: Scalar;
  /** What enters the queues [B, C]. */
  readonly keys: Tensor;
  readonly denseKeys: Tensor;
}

/** Eq. 1 on images, Eq. 2 on cells. The keys' rows are dealt anew before they are grouped for batch norm, as in MoCo. */
export function denseclTerms(model: Densecl, batch: Batch, { rng }: Pick<Step, 'rng'>): DenseclTerms {
  const { query, key, queue, denseQueue, config } = model;
  const { statisticsGroups: groups, queueSize, temperature, contrastWidth } = config;
  const rows = batch['view1']!.shape[0]!;
  checkQueue('densecl', queueSize, rows);
  const q = denseclEmbed(query, batch['view1']!, true, groups);
  const k = withoutGradient(() => {
    if (groups === 1) return denseclEmbed(key, batch['view2']!, true);
    const order = rng.fork('shuffle').permutation(rows);
    const back = new Int32Array(rows);
    order.forEach((from, to) => (back[from] = to));
    const shuffled = tf.gather(batch['view2']!, tf.tensor1d(Int32Array.from(order), 'int32'));
    const { image, cells, pooled, features } = denseclEmbed(key, shuffled, true, groups);
    const dealt = (x: Tensor): Tensor => tf.gather(x, tf.tensor1d(back, 'int32'));
    return { image: dealt(image), cells: dealt(cells), pooled: dealt(pooled), features: dealt(features) };
  });
  const matched = withoutGradient(() =>
    tf.gather(tf.reshape(k.cells, [-1, contrastWidth]), correspondence(q.features, k.features)),
  ); // [B·N, C]
  const { loss: single } = infoNce({ q: q.image, k: k.image, queue, temperature });
  const cells = tf.reshape(q.cells, [-1, contrastWidth]);
  const { loss: dense } = infoNce({ q: cells, k: matched, queue: denseQueue, temperature });
  return { single, dense, keys: k.image, denseKeys: k.pooled };
}

/** A name in [1]'s checkpoints → ours; its 1×1 convolutions `mlp2` are linear layers here. */
export function fromDensecl(name: string): string | undefined {
  if (name === 'queue' || name === 'queue2') return name;
  const [, which, part, rest] = /^encoder_([qk])\.([01])\.(.*)$/.exec(name) ?? [];
  if (rest === undefined) return undefined;
  const ours = part === '0' ? `backbone.${rest}` : rest;
  return which === 'q' ? ours : `key.${ours}`;
}
