/**
 * BYOL: an online network predicts a target network's projection of the other view; the target follows the online one.
 *
 * [0] Grill, Strub, Altché, et al., "Bootstrap Your Own Latent", NeurIPS 2020, arXiv 2006.07733v3.
 * [1] google-deepmind/deepmind-research byol/byol_experiment.py, utils/networks.py.
 *
 * Legend: B rows, S side of a view, D backbone width, U hidden width of the heads, P projection width.
 */
import { drawingView, imageInput, imageInputFields, imageViewWith, twoImageViews } from '@unlabel/augment';
import { buildResnet, networkOf, resnetConfigSchema, type Resnet } from '@unlabel/backbones';
import { defineMethod, type Batch, type Model, type Rng, type Tensor } from '@unlabel/core';
import { buffersOf, emaUpdate, mergeParams, prefixed, tf, trainableOf, withoutGradient } from '@unlabel/engine';
import { mlp, type Layer } from '@unlabel/nn';
import { byol, byolDecay, directionSpread } from '@unlabel/objectives';
import { z } from 'zod';

const colors = { saturation: 0.2, hue: 0.1 };

export const byolConfig = z.strictObject({
  ...imageInputFields,
  interpolation: z.enum(['bilinear', 'bicubic']).default('bicubic'),
  view1: imageViewWith({ ...colors, blur: 1 })
    .prefault({})
    .meta({ paper: 'Tab. 6' }),
  view2: imageViewWith({ ...colors, blur: 0.1, solarize: 0.2 })
    .prefault({})
    .meta({ paper: 'Tab. 6' }),
  backbone: resnetConfigSchema.extend({ isZeroInit: z.boolean().default(true) }).prefault({}),
  headWidth: z.int().positive().default(4096).meta({ symbol: 'U', paper: '§3.3' }),
  projectionWidth: z.int().positive().default(256).meta({ symbol: 'P', paper: '§3.3' }),
  /** Decay of the target at the start; it grows to 1 along half a cosine. */
  decay: z.number().min(0).max(1).default(0.996).meta({ symbol: 'τ', paper: '§3.1' }),
});
export type ByolConfig = z.output<typeof byolConfig>;

/** Backbone D → projector U → P. */
interface Network {
  readonly backbone: Resnet;
  readonly projector: Layer;
}

export interface Byol extends Model {
  readonly config: ByolConfig;
  readonly online: Network;
  readonly target: Network;
  readonly predictor: Layer;
}

export const byolMethod = defineMethod<typeof byolConfig, Byol>({
  id: 'byol',
  card: {
    title: 'BYOL: bootstrap your own latent',
    authors: 'Jean-Bastien Grill, Florian Strub, Florent Altché, Corentin Tallec, Pierre H. Richemond, and others',
    year: 2020,
    paper: 'https://arxiv.org/abs/2006.07733v3',
    code: 'google-deepmind/deepmind-research/byol',
    licence: 'written from the paper and a description of the code (Apache-2.0)',
    modality: 'image',
    differences: [
      "Colours and blur are torchvision's and Pillow's on bytes; the code's are float operators of JAX, its brightness additive.",
      "The trunk is torchvision's; the code's convolutions pad lopsidedly where they skip pixels.",
      'No bias in front of a batch norm, which would absorb it, and no online classifier, which is monitoring alone.',
    ],
  },
  config: byolConfig,
  recipe: {
    optimizer: 'lars',
    lr: 0.2,
    lrBatchSize: 256,
    weightDecay: 1.5e-6,
    options: { isRateInside: true },
    schedule: 'cosine',
    warmupEpochs: 10,
    batchSize: 4096,
    epochs: 1000,
  },
  presets: {
    paper: { note: 'ImageNet, 1000 epochs: 74.3 % linear top-1 as published. 512 TPU cores there.' },
    small: {
      note: 'For small drawings (`unlabel data build images`, pretrain-images/disjoint.jsonl): ResNet of four blocks at 32 pixels, Adam, mild colours, 800 steps, minutes on one core. emoji-transfer, trained and untrained: kNN 39.2 (33.6–44.4) and 7.7 (5.0–10.9), linear 43.2 (37.9–48.1) and 29.6 (24.7–34.9); the README has the other tasks.',
      config: {
        imageSize: 32,
        evaluationSide: 32,
        cacheSide: 64,
        view1: drawingView,
        view2: { ...drawingView, solarize: 0 },
        backbone: { depth: 18, blocks: [1, 1, 1, 1], widths: [16, 32, 96, 192] },
        headWidth: 256,
        projectionWidth: 64,
        decay: 0.99,
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
        view1: { cropScale: [0.5, 1], blur: 0, gray: 0, jitter: 0.5 },
        view2: { cropScale: [0.5, 1], blur: 0, gray: 0, jitter: 0.5, solarize: 0 },
        backbone: { depth: 18, blocks: [1, 1, 1, 1], widths: [8, 8, 16, 16], stem: 'small' },
        headWidth: 32,
        projectionWidth: 16,
        decay: 0.9,
      },
      recipe: { optimizer: 'adamw', lr: 3e-3, lrBatchSize: 8, warmupEpochs: 0, batchSize: 8, steps: 14 },
    },
  },
  input: imageInput,
  views: (config) => twoImageViews('byol', [config.view1, config.view2], config),

  build(config, context) {
    const { rng } = context;
    const build = (name: string, make: (rng: Rng) => Resnet): Network => networkWith(make, config, rng.fork(name));
    const fresh = (own: Rng): Resnet => buildResnet(config.backbone, own);
    const online = build('online', (own) => networkOf(context, () => fresh(own)));
    // weights of its own, as in [1]; a trained network would unlearn from random ones, so its target begins as it does
    const target = build('target', (own) => (context.backbone ? online.backbone.clone() : fresh(own)));
    const { headWidth, projectionWidth } = config;
    const predictor = mlp({ widths: [projectionWidth, headWidth, projectionWidth] }, rng.fork('predictor'));
    const params = mergeParams(paramsOf(online), prefixed('predictor', predictor.params));
    return {
      trainable: trainableOf(params),
      state: mergeParams(buffersOf(params), prefixed('target', paramsOf(target))),
      backbone: online.backbone,
      config,
      online,
      target,
      predictor,
    };
  },

  /** ‖p̂₁ − ẑ′₂‖² + ‖p̂₂ − ẑ′₁‖² (Eq. 2, made symmetric). Views lie in one batch and are normalised apart, in the target too. */
  loss({ online, target, predictor }, { view1, view2 }: Batch) {
    const x = tf.concat([view1!, view2!]); // [2B, S, S, 3]
    const projections = project(online, x); // [2B, P]
    const [p1, p2] = halves(predictor.forward(projections, { training: true, groups: 2 }));
    const [z1, z2] = halves(withoutGradient(() => project(target, x)));
    return { loss: byol({ p1, p2, z1, z2 }), logs: { spread: withoutGradient(() => directionSpread(projections)) } };
  },

  /** ξ ← τ·ξ + (1 − τ)·θ, parameters only: the target's batch statistics are its own. */
  afterStep({ online, target, config }, _batch, { index, total }) {
    emaUpdate(trainableOf(paramsOf(target)), paramsOf(online), byolDecay(index, total, config.decay));
  },
});

function networkWith(make: (rng: Rng) => Resnet, config: ByolConfig, rng: Rng): Network {
  const backbone = make(rng.fork('backbone'));
  const widths = [backbone.width, config.headWidth, config.projectionWidth];
  return { backbone, projector: mlp({ widths }, rng.fork('projector')) };
}

const paramsOf = ({ backbone, projector }: Network) =>
  mergeParams(prefixed('backbone', backbone.params), prefixed('projector', projector.params));

const project = ({ backbone, projector }: Network, x: Tensor): Tensor =>
  projector.forward(backbone.forward(x, { training: true, groups: 2 }).clip, { training: true, groups: 2 });

const halves = (x: Tensor): [Tensor, Tensor] => tf.split(x, 2) as [Tensor, Tensor];
