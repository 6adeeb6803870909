/** ATST-Frame: masked patches of one crop, seen clean and augmented. Papers, constants and legend in `atst.ts`. */
import { z } from 'zod';
import { spanMask } from '@unlabel/augment';
import { defineMethod, type Batch, type Rng, type Step, type Tensor, type Views } from '@unlabel/core';
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

export const atstFrameConfig = z.strictObject({
  seconds: z.number().positive().default(10).meta({ unit: 's' }),
  ...sharedConfig,
  /** Patches in masked spans over patches in all, overlaps counted twice; 0.65 hides about half. */
  maskProbability: z.number().positive().max(1).default(0.65),
  maskSpan: z.int().positive().default(5).meta({ unit: 'patches of 40 ms' }),
  /** The network has a class token too, so that ATST-Clip can go on with it; the authors' has none. */
  classToken: z.boolean().default(false),
  /** Decay of the teacher at the start; a cosine brings it to 1. */
  decay: z.number().min(0).max(1).default(0.997),
});
export type AtstFrameConfig = z.output<typeof atstFrameConfig>;

/** One crop, as it is and, without moving in time, mixed with an earlier input and resized in frequency. */
export function atstFrameViews(config: AtstFrameConfig): Views {
  const crop = { virtualCropScale: [1, 1], freqScale: config.freqScale, timeScale: [1, 1] } as const;
  return async (sample, context) => {
    const x = logMelOf(sample, 'logMel');
    const draws = { rng: context.rng.fork('view2'), config, crop };
    return { view1: x, view2: await augmented(x, 'logMel', context, draws) };
  };
}

export interface FrameMask {
  /** 1 where a patch is hidden from the student, row-major [B, N]; the same in both views. */
  readonly hidden: Uint8Array;
  /** Patches that are no padding of each row; all of them unless stated. */
  readonly valid?: readonly number[];
}

/** Spans for each row, drawn from a stream of its own. */
export function drawMask(rows: number, patches: number, config: AtstFrameConfig, rng: Rng): Uint8Array {
  const hidden = new Uint8Array(rows * patches);
  const options = { probability: config.maskProbability, span: config.maskSpan };
  for (let row = 0; row < rows; row++) hidden.set(spanMask(patches, options, rng.fork(row)), row * patches);
  return hidden;
}

/** The teacher sees all patches, the student not the masked ones; both give what is masked and no padding. */
export function atstFrameTerms(
  model: AtstModel,
  { view1, view2 }: Batch,
  { rng }: Step,
  { hidden, valid, lengths }: FrameMask & { readonly lengths?: Tensor },
): AtstTerms {
  const rows = view1!.shape[0]!;
  const patches = hidden.length / rows;
  const { classTokens } = model.student.backbone;
  const patchesOf = (tokens: Tensor): Tensor =>
    classTokens ? tf.slice(tokens, [0, classTokens, 0], [-1, -1, -1]) : tokens; // [2·B, N, D]
  const masked = [...hidden.keys()].filter(
    (i) => hidden[i] === 1 && (!valid || i % patches < valid[Math.floor(i / patches)]!),
  );
  const places = Int32Array.from([...masked, ...masked.map((i) => i + rows * patches)]);
  const mask = tf.tensor2d(Float32Array.from([...hidden, ...hidden]), [2 * rows, patches]);
  return atstTerms(model, tf.concat([view1!, view2!]), {
    take: (tokens) => tf.gather(tf.reshape(patchesOf(tokens), [2 * rows * patches, -1]), tf.tensor1d(places, 'int32')), // [2·M, D]
    rng,
    mask,
    lengths: lengths && tf.concat([lengths, lengths]),
  });
}

export interface AtstFrame extends AtstModel {
  readonly config: AtstFrameConfig;
}

export const atstFrame = defineMethod<typeof atstFrameConfig, AtstFrame>({
  id: 'atst-frame',
  card: {
    ...sharedCard,
    title: 'ATST-Frame: self-supervised audio teacher-student transformer for frame-level tasks',
    year: 2024,
    paper: 'https://arxiv.org/abs/2306.04186v2',
    code: 'Audio-WestlakeU/audiossl/audiossl/methods/atstframe@ec3a14db086eaccfb69513e4a90fad89bf992e1f',
    differences: sharedDifferences,
  },
  config: atstFrameConfig,
  // 4 GPUs with 256 clips each, 200,000 clips of AudioSet
  recipe: { ...sharedRecipe, lr: 4e-4, warmupSteps: 1950, batchSize: 1024, epochs: 300, steps: 58_500 },
  presets: {
    paper: { note: 'The small network as published, for 200,000 clips of AudioSet.' },
    base: {
      note: 'The base network as published (6 GPUs with 144 clips each), for the whole of AudioSet.',
      config: { size: 'base', decay: 0.9996 },
      recipe: { lr: 8e-5, warmupSteps: 19_900, batchSize: 864, epochs: 200, steps: 398_000 },
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
    smoke: {
      note: 'Ends in seconds on a CPU; for tests.',
      config: {
        seconds: 0.6,
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
  input: sharedInput,
  views: atstFrameViews,
  build: (config, context) => {
    const variant = config.classToken ? 'clip' : 'frame';
    return { ...buildModel(config, variant, framesOf(config.seconds), context), config };
  },

  loss(model, batch, step) {
    const [rows = 0, , frames = 0] = batch['view1']!.shape;
    const patches = Math.floor(frames / model.backbone.frameStride);
    const hidden = drawMask(rows, patches, model.config, step.rng.fork('mask'));
    const terms = atstFrameTerms(model, batch, step, { hidden });
    return { loss: terms.loss, logs: logsOf(terms) };
  },

  afterStep(model, _batch, step) {
    moveTeacher(model, decayAfter(step, model.config.decay));
  },
});
