/**
 * SimCLR: each view must pick the other view of its own image among all views of the batch.
 *
 * [0] Chen, Kornblith, Norouzi, Hinton, "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020, arXiv
 *     2002.05709v3.
 * [1] google-research/simclr model_util.py, objective.py, tf2/model.py@383d4143.
 *
 * Legend: B rows, S side of a view, D backbone width, C contrast width.
 */
import { drawingView, imageInput, imageInputFields, imageViewWith, twoImageViews } from '@unlabel/augment';
import { buildResnet, networkOf, type Resnet, resnetConfigSchema } from '@unlabel/backbones';
import { defineMethod, type Batch, type Model, type Rng, type Scalar, type Tensor } from '@unlabel/core';
import { buffersOf, mergeParams, prefixed, tf, trainableOf, withoutGradient } from '@unlabel/engine';
import { batchNorm, linear, sequential, stateless, type Layer } from '@unlabel/nn';
import { ntXent } from '@unlabel/objectives';
import { z } from 'zod';

export const simclrConfig = z.strictObject({
  ...imageInputFields,
  interpolation: z.enum(['bilinear', 'bicubic']).default('bicubic'),
  /** Pixels stay in 0…1. */
  mean: z.tuple([z.number(), z.number(), z.number()]).default([0, 0, 0]),
  std: z.tuple([z.number(), z.number(), z.number()]).default([1, 1, 1]),
  view: imageViewWith({ brightness: 0.8, contrast: 0.8, saturation: 0.8, hue: 0.2 })
    .prefault({})
    .meta({ paper: 'App. A, strength 1' }),
  backbone: resnetConfigSchema.extend({ isZeroInit: z.boolean().default(true) }).prefault({}),
  /** Linear layers of the projector; 3 in SimCLR v2. */
  projectorLayers: z.int().min(1).max(4).default(2).meta({ paper: 'App. B.9' }),
  /** Hidden layers' width; 0: the backbone's. */
  projectorWidth: z.int().min(0).default(0),
  contrastWidth: z.int().positive().default(128).meta({ symbol: 'C' }),
  temperature: z.number().positive().default(0.1).meta({ symbol: 'τ', paper: 'Tab. 5; 0.5 for CIFAR-10' }),
});
export type SimclrConfig = z.output<typeof simclrConfig>;

export interface Simclr extends Model {
  readonly config: SimclrConfig;
  readonly backbone: Resnet;
  readonly projector: Layer;
}

export const simclr = defineMethod<typeof simclrConfig, Simclr>({
  id: 'simclr',
  card: {
    title: 'SimCLR: a simple framework for contrastive learning of visual representations',
    authors: 'Ting Chen, Simon Kornblith, Mohammad Norouzi, Geoffrey Hinton',
    year: 2020,
    paper: 'https://arxiv.org/abs/2002.05709v3',
    code: 'google-research/simclr@383d4143fd8cf7879ae10f1046a9baeb753ff438',
    licence: 'written from the paper and a description of the code (Apache-2.0)',
    modality: 'image',
    differences: [
      "Colours and blur are torchvision's and Pillow's on bytes, as in VISSL's port; the code's are float operators of TensorFlow.",
      "The trunk is torchvision's; the code pads the stem's max pool at the lower right only.",
      'The loss is the mean over all views (Algorithm 1); the code adds the two directions, which is twice that.',
    ],
  },
  config: simclrConfig,
  recipe: {
    optimizer: 'lars',
    lr: 0.3,
    lrBatchSize: 256,
    weightDecay: 1e-6,
    options: { isRateInside: true },
    schedule: 'cosine',
    warmupEpochs: 10,
    batchSize: 4096,
    epochs: 1000,
  },
  presets: {
    paper: { note: 'ImageNet, 1000 epochs: 69.3 % linear top-1 as published. 128 TPU cores there.' },
    small: {
      note: 'For small drawings (`unlabel data build images`, pretrain-images/disjoint.jsonl): ResNet of four blocks at 32 pixels, Adam, mild colours, 800 steps, minutes on one core. emoji-transfer, trained and untrained: kNN 49.1 (43.8–54.9) and 9.0 (6.0–12.5), linear 48.1 (42.8–53.3) and 31.8 (26.9–36.8); the README has the other tasks.',
      config: {
        imageSize: 32,
        evaluationSide: 32,
        cacheSide: 64,
        view: drawingView,
        backbone: { depth: 18, blocks: [1, 1, 1, 1], widths: [16, 32, 96, 192] },
        temperature: 0.2,
      },
      recipe: {
        optimizer: 'adamw',
        lr: 2e-3,
        weightDecay: 1e-4,
        batchSize: 128,
        lrBatchSize: 128,
        steps: 800,
        warmupEpochs: 1,
      },
    },
    smoke: {
      note: 'Ends in seconds on a CPU; for tests.',
      config: {
        imageSize: 16,
        view: { cropScale: [0.7, 1], blur: 0, gray: 0, jitter: 0, flip: 0 },
        backbone: { depth: 18, blocks: [1, 1, 1, 1], widths: [8, 8, 16, 16], stem: 'small' },
        contrastWidth: 16,
        temperature: 0.2,
      },
      recipe: { optimizer: 'adamw', lr: 2e-3, lrBatchSize: 12, warmupEpochs: 0, batchSize: 12, steps: 14 },
    },
  },
  input: imageInput,
  views: (config) => twoImageViews('simclr', [config.view, config.view], config),

  build(config, context) {
    const { rng } = context;
    const backbone = networkOf(context, () => buildResnet(config.backbone, rng.fork('backbone')));
    const projector = buildProjector(config, backbone.width, rng.fork('projector'));
    const params = mergeParams(prefixed('backbone', backbone.params), prefixed('projector', projector.params));
    return { trainable: trainableOf(params), state: buffersOf(params), backbone, config, projector };
  },

  /** Batch statistics are those of all 2B views, as the code's across its TPU cores. */
  loss({ backbone, projector, config }, { view1, view2 }: Batch) {
    const { clip } = backbone.forward(tf.concat([view1!, view2!]), { training: true }); // [2B, D]
    const [z1, z2] = tf.split(projector.forward(clip, { training: true }), 2) as [Tensor, Tensor]; // [B, C] each
    const { loss, logits } = ntXent(z1, z2, { temperature: config.temperature });
    return { loss, logs: { accuracy: withoutGradient(() => accuracyOf(logits)) } };
  },
});

/** Linear (no bias) → BN → ReLU, …, Linear → BN without offset, as [1]. [B, D] → [B, C] */
function buildProjector(config: SimclrConfig, inputs: number, rng: Rng): Layer {
  const { projectorLayers: count, projectorWidth, contrastWidth } = config;
  const hidden = projectorWidth || inputs;
  const layers = Array.from({ length: count }, (_, i) => {
    const isLast = i === count - 1;
    const [from, to] = [i === 0 ? inputs : hidden, isLast ? contrastWidth : hidden];
    const norm = isLast ? batchNorm(to, { hasOffset: false }) : batchNorm(to, { relu: true });
    return [linear(from, to, rng.fork(i), { hasBias: false }), norm, ...(isLast ? [] : [stateless((x) => x)])];
  });
  return sequential(layers.flat());
}

/** Share of views whose nearest other view is their own image's. logits [2B, 2B] */
function accuracyOf(logits: Tensor): Scalar {
  const rows = logits.shape[0]!;
  const partner = tf.tensor1d(Int32Array.from({ length: rows }, (_, i) => (i + rows / 2) % rows), 'int32'); // prettier-ignore
  return tf.mean(tf.cast(tf.equal(tf.argMax(logits, 1), partner), 'float32'));
}
