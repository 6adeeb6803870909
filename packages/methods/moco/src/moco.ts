/**
 * MoCo v2: a query network must pick, for each image, the key of its other view among a queue of keys of earlier images; the key
 * network follows the query's slowly.
 *
 * [0] He, Fan, Wu, Xie, Girshick, "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020, arXiv 1911.05722v3.
 * [1] Chen, Fan, Girshick, He, "Improved Baselines with Momentum Contrastive Learning", arXiv 2003.04297v1.
 * [2] facebookresearch/moco moco/builder.py, main_moco.py@132aea9d.
 *
 * Legend: B rows, S side of a view, D backbone width, C contrast width, K queue length, G groups of batch statistics.
 */
import { drawingView, imageInput, imageInputFields, imageViewWith, twoImageViews } from '@unlabel/augment';
import { buildResnet, networkOf, type Resnet, resnetConfigSchema } from '@unlabel/backbones';
import {
  defineMethod,
  type Batch,
  type Model,
  type Scalar,
  type Step,
  type Tensor,
  type Variable,
} from '@unlabel/core';
import { buffersOf, emaUpdate, mergeParams, prefixed, tf, trainableOf, withoutGradient } from '@unlabel/engine';
import { mlp, type Layer } from '@unlabel/nn';
import { checkQueue, createQueue, enqueue, infoNce, unitRows } from '@unlabel/objectives';
import { z } from 'zod';

export const mocoConfig = z.strictObject({
  ...imageInputFields,
  /** Both views' augmentation. */
  view: imageViewWith({ cropScale: [0.2, 1] })
    .prefault({})
    .meta({ paper: '2003.04297v1 §3' }),
  backbone: resnetConfigSchema.prefault({}),
  contrastWidth: z.int().positive().default(128).meta({ symbol: 'C' }),
  queueSize: z.int().positive().default(65536).meta({ symbol: 'K', unit: 'keys' }),
  temperature: z.number().positive().default(0.2).meta({ symbol: 'τ', paper: '2003.04297v1 Tab. 2' }),
  keyMomentum: z.number().min(0).max(1).default(0.999).meta({ symbol: 'm' }),
  /** Groups of batch statistics; the paper has 8 GPUs. */
  statisticsGroups: z.int().positive().default(8).meta({ symbol: 'G', paper: '1911.05722v3 §3.3' }),
});
export type MocoConfig = z.output<typeof mocoConfig>;

interface Network {
  readonly backbone: Resnet;
  /** D → D → C with a ReLU between, the layers `fc.0` and `fc.2` of [2]. */
  readonly head: Layer;
}

export interface Moco extends Model {
  readonly config: MocoConfig;
  readonly query: Network;
  readonly key: Network;
  /** Negatives as columns [C, K]. */
  readonly queue: Variable;
  /** Keys of the last loss, waiting to enter the queue. */
  readonly pending: { keys?: Tensor };
}

export const moco = defineMethod<typeof mocoConfig, Moco>({
  id: 'moco',
  card: {
    title: 'MoCo v2: improved baselines with momentum contrastive learning',
    authors: 'Xinlei Chen, Haoqi Fan, Ross Girshick, Kaiming He',
    year: 2020,
    paper: 'https://arxiv.org/abs/2003.04297v1',
    code: 'facebookresearch/moco@132aea9da9bb995a411c915c0420be3db62052f3',
    licence: 'written from the paper and a description of the code (MIT)',
    modality: 'image',
    differences: [
      'Shuffled batch norm on one machine: statistics over groups of rows, dealt anew for the keys; running statistics follow all groups, not those of the first GPU.',
      'The rate follows its cosine step by step; the code changes it once an epoch.',
    ],
  },
  config: mocoConfig,
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
    paper: { note: 'ImageNet, 200 epochs: 67.7 % linear top-1 as published. 8 GPUs there.' },
    small: {
      note: 'For small drawings (`unlabel data build images`, pretrain-images/all.jsonl): ResNet of four blocks at 32 pixels, Adam, mild colours, 3500 steps, minutes on one core. Trained and untrained, kNN and linear: emoji-category 59.0 (56.3–61.7) and 50.8 (48.1–53.4), 57.0 (54.4–59.7) and 50.2 (47.5–52.8); emoji-transfer 49.7 (44.1–54.9) and 34.3 (29.3–39.8), 42.6 (37.4–48.2) and 36.1 (30.9–41.7); the README has the other tasks.',
      config: {
        imageSize: 32,
        evaluationSide: 32,
        cacheSide: 64,
        view: drawingView,
        backbone: { depth: 18, blocks: [1, 1, 1, 1], widths: [16, 32, 96, 192] },
        queueSize: 1024,
        keyMomentum: 0.99,
        statisticsGroups: 4,
      },
      recipe: { optimizer: 'adamw', lr: 2e-3, weightDecay: 1e-4, batchSize: 128, steps: 3500, warmupEpochs: 10 },
    },
    smoke: {
      note: 'Ends in seconds on a CPU; for tests.',
      config: {
        imageSize: 16,
        view: { cropScale: [0.7, 1], blur: 0, gray: 0, jitter: 0, flip: 0 },
        backbone: { depth: 18, blocks: [1, 1, 1, 1], widths: [8, 8, 16, 16], stem: 'small' },
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
  views: (config) => twoImageViews('moco', [config.view, config.view], config),

  build(config, context) {
    const { rng } = context;
    const backbone = networkOf(context, () => buildResnet(config.backbone, rng.fork('backbone')));
    const head = (): Layer =>
      mlp({ widths: [backbone.width, backbone.width, config.contrastWidth], hasNorm: false }, rng.fork('head'));
    const query: Network = { backbone, head: head() };
    const key: Network = { backbone: backbone.clone(), head: head() };
    const queue = createQueue(config.contrastWidth, config.queueSize, rng.fork('queue'));
    const params = paramsOf(query);
    return {
      trainable: trainableOf(params),
      state: mergeParams(buffersOf(params), prefixed('key', paramsOf(key)), new Map([['queue', queue]])),
      backbone,
      config,
      query,
      key,
      queue,
      pending: {},
    };
  },

  /** θ_k ← m·θ_k + (1 − m)·θ_q (Eq. 2 of [0]), parameters only: the key network's batch statistics evolve by themselves. */
  beforeStep({ query, key, config }) {
    emaUpdate(trainableOf(paramsOf(key)), paramsOf(query), config.keyMomentum);
  },

  loss(model, batch, step) {
    const { loss, keys, accuracy } = mocoTerms(model, batch, step);
    model.pending.keys?.dispose();
    model.pending.keys = tf.keep(withoutGradient(() => tf.clone(keys)));
    return { loss, logs: { accuracy } };
  },

  afterStep({ queue, pending }, _batch, { index }) {
    if (!pending.keys) return;
    enqueue(queue, pending.keys, index);
    pending.keys.dispose();
    delete pending.keys;
  },
});

const paramsOf = ({ backbone, head }: Network) =>
  mergeParams(prefixed('backbone', backbone.params), prefixed('head', head.params));

export interface MocoTerms {
  readonly loss: Scalar;
  /** [B, 1 + K] */
  readonly logits: Tensor;
  /** [B, C], of unit length. */
  readonly keys: Tensor;
  /** Share of rows whose own key is nearest. */
  readonly accuracy: Scalar;
}

/**
 * InfoNCE of the first view's queries against the second view's keys and the queue (Eq. 1 of [0]).
 *
 * Shuffled batch norm (§3.3 of [0]): if a query and its key are normalised among the same neighbours, the statistics betray the pair.
 * Over several GPUs [2] deals the keys' images anew before the pass. Here rows lie in G groups with statistics of their own, and the
 * keys' rows are permuted before they are grouped. With one group there is nothing to deal.
 */
export function mocoTerms({ query, key, queue, config }: Moco, batch: Batch, { rng }: Pick<Step, 'rng'>): MocoTerms {
  const { statisticsGroups: groups, queueSize, temperature } = config;
  const rows = batch['view1']!.shape[0]!;
  checkQueue('moco', queueSize, rows);
  const q = embed(query, batch['view1']!, groups);
  const keys = withoutGradient(() => {
    if (groups === 1) return embed(key, batch['view2']!, 1);
    const order = rng.fork('shuffle').permutation(rows);
    const shuffled = tf.gather(batch['view2']!, tf.tensor1d(Int32Array.from(order), 'int32'));
    const back = new Int32Array(rows);
    order.forEach((from, to) => (back[from] = to));
    return tf.gather(embed(key, shuffled, groups), tf.tensor1d(back, 'int32'));
  });
  const { loss, logits } = infoNce({ q, k: keys, queue, temperature });
  const accuracy = withoutGradient(() => tf.mean(tf.cast(tf.equal(tf.argMax(logits, 1), 0), 'float32')) as Scalar);
  return { loss, logits, keys, accuracy };
}

/** x [B, S, S, 3] → [B, C] of unit length. */
function embed({ backbone, head }: Network, x: Tensor, groups: number): Tensor {
  const { clip } = backbone.forward(x, { training: true, groups });
  return unitRows(head.forward(clip, { training: true }));
}

/** A name in [2]'s checkpoints (`module.` taken off) → ours; undefined for what is no parameter here (`queue_ptr`). */
export function fromMoco(name: string): string | undefined {
  if (name === 'queue') return name;
  const [, which, rest] = /^encoder_([qk])\.(.*)$/.exec(name) ?? [];
  if (rest === undefined) return undefined;
  const part = rest.startsWith('fc.') ? `head.${rest.slice(3)}` : `backbone.${rest}`;
  return which === 'q' ? part : `key.${part}`;
}
