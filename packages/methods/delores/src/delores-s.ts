/** DeLoRes-S: one backbone, two views, one Barlow term on their clip vectors. Paper and legend in `delores.ts`. */
import { z } from 'zod';
import { networkOf, type AudioNtt } from '@unlabel/backbones';
import { defineMethod, type Batch, type Model, type Step, type Tensor } from '@unlabel/core';
import { buffersOf, mergeParams, prefixed, tf, trainableOf } from '@unlabel/engine';
import type { BarlowHead } from '@unlabel/objectives';
import {
  deloresBackbone,
  deloresHead,
  deloresInput,
  deloresViews,
  lapeTerm,
  originalTerm,
  sharedCard,
  sharedConfig,
  sharedDifferences,
} from './delores.ts';

export const deloresSConfig = z.strictObject(sharedConfig);

export interface DeloresS extends Model {
  readonly backbone: AudioNtt;
  readonly head: BarlowHead;
}

export const deloresS = defineMethod<typeof deloresSConfig, DeloresS>({
  id: 'delores-s',
  card: {
    ...sharedCard,
    title: 'DeLoRes-S: decorrelating latent spaces for low-resource audio representation learning',
    paper: 'https://arxiv.org/abs/2203.13628v3',
    code: 'Sreyan88/LAPE/src/upstream/delores_s@81ba8d9c3a6223dc4de2b09c7c168b5577928f1c',
    differences: sharedDifferences,
  },
  config: deloresSConfig,
  // LAPE trains on 4 GPUs with 32 clips each
  recipe: {
    optimizer: 'sgd',
    lr: 0.03,
    momentum: 0.9,
    weightDecay: 1e-4,
    schedule: 'constant',
    batchSize: 128,
    epochs: 50,
  },
  presets: {
    paper: { note: "LAPE's values, the maintained code of the authors." },
    lape: { note: 'The same, written out: λ = 5e-5 on both terms, scale 1/32, U = 2048.', config: lapeTerm },
    original: {
      note: "The first release: only the off-diagonal term is weighted, U = 8192, LARS with a cosine. Its warm-up restarted every epoch by mistake; this one doesn't.",
      config: { ...originalTerm, projectorDropout: 0.5 },
      recipe: {
        optimizer: 'lars',
        lr: 0.8,
        weightDecay: 1e-6,
        schedule: 'cosine',
        warmupEpochs: 10,
        batchSize: 1024,
        epochs: 100,
      },
    },
    // Found on the embedded suite, beside the same network untrained. In a hundred steps what matters is not
    // to lose what random features hold: a small rate, shorter crops (more of them), little change of pitch, and as in LAPE an
    // off-diagonal term of the order of the diagonal one. A rate of 1e-3, or λ_off = 0.005, ends below the untrained network.
    quickstart: {
      note: 'About a minute on two cores, for the embedded suite: a narrower network, Adam, half-second crops from cached spectrograms.',
      config: {
        width: 512,
        projectorWidth: 512,
        seconds: 0.47,
        crop: 'spectrogram',
        freqScale: [0.8, 1.2],
        lambdaOn: 1,
        lambdaOff: 0.3,
        dropout: 0,
      },
      recipe: {
        optimizer: 'adamw',
        lr: 2e-4,
        weightDecay: 1e-4,
        schedule: 'cosine',
        warmupEpochs: 1,
        batchSize: 128,
        steps: 65,
      },
    },
    smoke: {
      note: 'Ends in seconds on a CPU; for tests.',
      config: { seconds: 0.4, width: 32, projectorWidth: 32, lambdaOn: 1, lambdaOff: 0.05, scale: 1 / 32, dropout: 0 },
      recipe: { optimizer: 'adamw', lr: 3e-3, batchSize: 8, steps: 14 },
    },
  },
  input: deloresInput,
  views: deloresViews,

  build(config, context) {
    const { rng } = context;
    const backbone = networkOf(context, () => deloresBackbone(config, rng.fork('backbone')));
    const head = deloresHead(config.width, config, rng.fork('projector'));
    const params = mergeParams(prefixed('backbone', backbone.params), prefixed('barlow', head.params));
    return { trainable: trainableOf(params), state: buffersOf(params), backbone, head };
  },

  loss(model, batch, step) {
    const { loss, on, off } = deloresSTerms(model, batch, step);
    return { loss, logs: { on, off } };
  },
});

/**
 * B(h(x₁), h(x₂)). The views go through the backbone as one batch whose halves are normalised apart: what two passes would give, with
 * half the kernels. `parts` as in `AudioNttForwardOptions`.
 */
export function deloresSTerms({ backbone, head }: DeloresS, { view1, view2 }: Batch, { rng }: Step, parts = 1) {
  const x = tf.concat([view1!, view2!]); // [2B, F, T]
  const { clip } = backbone.forward(x, { training: true, rng: rng.fork('backbone'), groups: 2, parts });
  const [y1, y2] = tf.split(clip, 2) as [Tensor, Tensor]; // [B, D] each
  return { y1, y2, ...head.loss(y1, y2, { training: true, rng: rng.fork('projector') }) };
}
