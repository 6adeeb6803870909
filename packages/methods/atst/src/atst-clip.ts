/** ATST-Clip: class tokens of two crops of a recording. Papers, constants and legend in `atst.ts`. */
import { z } from 'zod';
import { defineMethod, type Batch, type Step, type Tensor, type Views } from '@unlabel/core';
import { tf } from '@unlabel/engine';
import {
  atstTerms,
  augmented,
  buildModel,
  decayAfter,
  framesOf,
  logMelOf,
  logsOf,
  moveTeacher,
  sharedCard,
  sharedConfig,
  sharedDifferences,
  sharedInput,
  sharedRecipe,
  type AtstModel,
  type AtstTerms,
} from './atst.ts';

const range = z.tuple([z.number().positive(), z.number().positive()]);

export const atstClipConfig = z.strictObject({
  seconds: z.number().positive().default(6).meta({ unit: 's', paper: '2204.12076 §3.1; their small script takes 9' }),
  ...sharedConfig,
  timeScale: range.default([0.6, 1.5]),
  canvasScale: range.default([1, 1.5]).meta({ paper: '[frequency, time]' }),
  /** Decay of the teacher at the start; a cosine brings it to 1. */
  decay: z.number().min(0).max(1).default(0.99),
});
export type AtstClipConfig = z.output<typeof atstClipConfig>;

/** Two independent crops of an item, each mixed with an earlier one of its kind and resized. */
export function atstClipViews(config: AtstClipConfig): Views {
  const crop = { virtualCropScale: config.canvasScale, freqScale: config.freqScale, timeScale: config.timeScale };
  return async (sample, context) => {
    const view = (name: string, label: string) =>
      augmented(logMelOf(sample, name), name, context, { rng: context.rng.fork(label), config, crop });
    return { view1: await view('logMel', 'view1'), view2: await view('logMel2', 'view2') };
  };
}

/** [2·B, 1 + N, D] → [2·B, D] */
const classTokens = (tokens: Tensor): Tensor => tf.squeeze(tf.slice(tokens, [0, 0, 0], [-1, 1, -1]), [1]);

/** `lengths` valid frames of each row [B], the same in both views. */
export function atstClipTerms(model: AtstModel, { view1, view2 }: Batch, { rng }: Step, lengths?: Tensor): AtstTerms {
  const both = lengths && tf.concat([lengths, lengths]);
  return atstTerms(model, tf.concat([view1!, view2!]), { take: classTokens, rng, lengths: both });
}

export const atstClip = defineMethod<typeof atstClipConfig, AtstModel>({
  id: 'atst-clip',
  card: {
    ...sharedCard,
    title: 'ATST-Clip: audio representation learning with teacher-student transformer',
    authors: 'Xian Li, Xiaofei Li',
    year: 2022,
    paper: 'https://arxiv.org/abs/2204.12076v3',
    code: 'Audio-WestlakeU/audiossl/audiossl/methods/atst@ec3a14db086eaccfb69513e4a90fad89bf992e1f',
    differences: sharedDifferences,
  },
  config: atstClipConfig,
  // 4 GPUs with 384 clips each, 200,000 clips of AudioSet
  recipe: { ...sharedRecipe, lr: 5e-4, warmupSteps: 1300, batchSize: 1536, epochs: 300, steps: 39100 },
  presets: {
    paper: { note: 'The small network as published, for 200,000 clips of AudioSet.' },
    base: {
      note: 'The base network as published (6 GPUs with 256 clips each), for the whole of AudioSet.',
      config: { size: 'base', decay: 0.9995 },
      recipe: { lr: 2e-4, warmupSteps: 15860, epochs: 200, steps: 318_000 },
    },
    // A run of so few steps needs a teacher that follows faster: with the published decay a third of what is kept would still be its start.
    // Recordings there are 1.4 s long, and tell instruments and pitches apart: shorter crops, less change of frequency.
    small: {
      note: 'Minutes on two cores, for the embedded suite.',
      config: {
        seconds: 1,
        crop: 'spectrogram',
        freqScale: [0.8, 1.25],
        width: 128,
        heads: 4,
        depth: 3,
        dropPath: 0,
        projectorHidden: 512,
        projectionWidth: 128,
        decay: 0.9,
      },
      recipe: { lr: 7e-4, lrBatchSize: 64, warmupSteps: 15, batchSize: 64, steps: 180, finalWeightDecay: 0.04 },
    },
    // Each recording stands beside itself at four other speeds, its own. What that is worth, and what more steps are, is in the README.
    long: {
      note: 'The embedded suite at length: an hour and a half of one core.',
      config: {
        seconds: 1,
        crop: 'spectrogram',
        freqScale: [0.8, 1.25],
        timeScale: [0.8, 1.25],
        canvasScale: [1, 1.25],
        width: 128,
        heads: 4,
        depth: 3,
        dropPath: 0,
        projectorHidden: 2048,
        projectionWidth: 256,
      },
      recipe: {
        lr: 7e-4,
        lrBatchSize: 64,
        warmupSteps: 200,
        batchSize: 64,
        steps: 8000,
        finalWeightDecay: 0.04,
        varispeed: [
          [-5, -3],
          [-3, -1],
          [1, 3],
          [3, 5],
        ],
      },
    },
    smoke: {
      note: 'Ends in seconds on a CPU; for tests.',
      config: {
        seconds: 0.4,
        width: 16,
        heads: 2,
        depth: 2,
        dropPath: 0.1,
        projectorHidden: 64,
        projectionWidth: 16,
        decay: 0.9,
      },
      recipe: { lr: 5e-3, lrBatchSize: 8, warmupSteps: 2, batchSize: 8, steps: 14 },
    },
  },
  input: (config) => ({ ...sharedInput(config), crops: 2 }),
  views: atstClipViews,
  build: (config, context) => ({ ...buildModel(config, 'clip', framesOf(config.seconds), context), config }),

  loss(model, batch, step) {
    const terms = atstClipTerms(model, batch, step);
    return { loss: terms.loss, logs: logsOf(terms) };
  },

  afterStep(model, _batch, step) {
    moveTeacher(model, decayAfter(step, model.config.decay));
  },
});
