/**
 * Barlow Twins: the cross-correlation of two views' projections is brought to the identity.
 *
 * [0] Zbontar, Jing, Misra, LeCun, Deny, "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", ICML 2021, arXiv
 *     2103.03230v3.
 * [1] facebookresearch/barlowtwins main.py@8e8d284c.
 *
 * Legend: B rows, S side of a view, D backbone width, U projection width.
 */
import { drawingView, imageInput, imageInputFields, imageViewWith, twoImageViews } from '@unlabel/augment';
import { buildResnet, networkOf, type Resnet, resnetConfigSchema } from '@unlabel/backbones';
import { defineMethod, type Batch, type Model, type Tensor } from '@unlabel/core';
import { buffersOf, mergeParams, prefixed, tf, trainableOf } from '@unlabel/engine';
import { barlowHead, type BarlowHead } from '@unlabel/objectives';
import { z } from 'zod';

const colors = { saturation: 0.2, hue: 0.1 };

export const barlowTwinsConfig = z.strictObject({
  ...imageInputFields,
  interpolation: z.enum(['bilinear', 'bicubic']).default('bicubic'),
  view1: imageViewWith({ ...colors, blur: 1 })
    .prefault({})
    .meta({ paper: '§2.2' }),
  view2: imageViewWith({ ...colors, blur: 0.1, solarize: 0.2 })
    .prefault({})
    .meta({ paper: '§2.2' }),
  backbone: resnetConfigSchema.extend({ isZeroInit: z.boolean().default(true) }).prefault({}),
  projectorWidth: z.int().min(2).default(8192).meta({ symbol: 'U' }),
  /** Weight of the off-diagonal. */
  lambda: z.number().positive().default(0.0051).meta({ symbol: 'λ', paper: '§2.2' }),
});

export interface BarlowTwins extends Model {
  readonly backbone: Resnet;
  readonly head: BarlowHead;
}

export const barlowTwinsMethod = defineMethod<typeof barlowTwinsConfig, BarlowTwins>({
  id: 'barlow-twins',
  card: {
    title: 'Barlow Twins: self-supervised learning via redundancy reduction',
    authors: 'Jure Zbontar, Li Jing, Ishan Misra, Yann LeCun, Stéphane Deny',
    year: 2021,
    paper: 'https://arxiv.org/abs/2103.03230v3',
    code: 'facebookresearch/barlowtwins@8e8d284ca0bc02f88b92328e53f9b901e86b4a3c',
    licence: 'written from the paper and a description of the code (MIT)',
    modality: 'image',
    differences: ['One process: no batch statistics or correlations across GPUs; float32 throughout.'],
  },
  config: barlowTwinsConfig,
  // weights at 0.2, biases and batch norm at 0.0048, for batches of 256; both fall to a thousandth
  recipe: {
    optimizer: 'lars',
    lr: 0.2,
    lrBatchSize: 256,
    finalLr: 0.0016,
    weightDecay: 1e-6,
    options: { vectorRate: 0.024 },
    schedule: 'cosine',
    warmupEpochs: 10,
    batchSize: 2048,
    epochs: 1000,
  },
  presets: {
    paper: { note: 'ImageNet, 1000 epochs: 73.2 % linear top-1 as published. 32 GPUs there.' },
    small: {
      note: 'For small drawings (`unlabel data build images`, pretrain-images/disjoint.jsonl): ResNet of four blocks at 32 pixels, Adam, mild colours, 800 steps, minutes on one core. emoji-transfer, trained and untrained: kNN 42.6 (37.2–47.7) and 9.0 (6.0–12.5), linear 42.6 (37.4–47.9) and 31.8 (26.9–36.8); the README has the other tasks.',
      config: {
        imageSize: 32,
        evaluationSide: 32,
        cacheSide: 64,
        view1: drawingView,
        view2: { ...drawingView, solarize: 0 },
        backbone: { depth: 18, blocks: [1, 1, 1, 1], widths: [16, 32, 96, 192] },
        projectorWidth: 256,
        lambda: 0.01,
      },
      recipe: {
        optimizer: 'adamw',
        lr: 2e-3,
        weightDecay: 1e-4,
        batchSize: 128,
        steps: 800,
        warmupEpochs: 1,
        lrBatchSize: 128,
        finalLr: 0,
      },
    },
    smoke: {
      note: 'Ends in seconds on a CPU; for tests.',
      config: {
        imageSize: 16,
        view1: { cropScale: [0.5, 1], blur: 0, gray: 0, jitter: 0.5 },
        view2: { cropScale: [0.5, 1], blur: 0, gray: 0, jitter: 0.5 },
        backbone: { depth: 18, blocks: [1, 1, 1, 1], widths: [8, 8, 16, 16], stem: 'small' },
        projectorWidth: 32,
      },
      recipe: { optimizer: 'adamw', lr: 3e-3, lrBatchSize: 8, finalLr: 0, warmupEpochs: 0, batchSize: 8, steps: 14 },
    },
  },
  input: imageInput,
  views: (config) => twoImageViews('barlow-twins', [config.view1, config.view2], config),

  build(config, context) {
    const { rng } = context;
    const backbone = networkOf(context, () => buildResnet(config.backbone, rng.fork('backbone')));
    const { projectorWidth: width, lambda: lambdaOff } = config;
    const head = barlowHead({ inputs: backbone.width, width, lambdaOn: 1, lambdaOff }, rng.fork('projector'));
    const params = mergeParams(prefixed('backbone', backbone.params), head.params);
    return { trainable: trainableOf(params), state: buffersOf(params), backbone, head };
  },

  /**
   * Both views go through the backbone as one batch whose halves are normalised apart: what two passes would give, with half the
   * kernels.
   */
  loss({ backbone, head }, { view1, view2 }: Batch) {
    const x = tf.concat([view1!, view2!]); // [2B, S, S, 3]
    const { clip } = backbone.forward(x, { training: true, groups: 2 });
    const [y1, y2] = tf.split(clip, 2) as [Tensor, Tensor]; // [B, D] each
    const { loss, on, off } = head.loss(y1, y2, { training: true });
    return { loss, logs: { on, off } };
  },
});
