/**
 * DeLoRes-M: a query and a momentum network (MoCo) with InfoNCE on clip vectors, and a Barlow term on the time means of each
 * convolution stage. Ghosh, Seth, Umesh, "Decorrelating Feature Spaces for Learning General-Purpose Audio Representations", IEEE
 * JSTSP 16(6), 2022. Constants and legend in `delores.ts`; MoCo: arXiv 1911.05722v3. K queue length, C contrast width.
 */
import { z } from 'zod';
import { networkOf, type AudioNtt, type AudioNttForwardOptions } from '@unlabel/backbones';
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
import { linear, type Layer } from '@unlabel/nn';
import { checkQueue, createQueue, enqueue, infoNce, unitRows, type BarlowHead } from '@unlabel/objectives';
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

export const deloresMConfig = z.strictObject({
  ...sharedConfig,
  contrastWidth: z.int().positive().default(128).meta({ symbol: 'C' }),
  queueSize: z.int().positive().default(65536).meta({ symbol: 'K', unit: 'keys' }),
  temperature: z.number().positive().default(0.07).meta({ symbol: 'τ' }),
  keyMomentum: z.number().min(0).max(1).default(0.999).meta({ symbol: 'm' }),
});
export type DeloresMConfig = z.output<typeof deloresMConfig>;

interface Network {
  readonly backbone: AudioNtt;
  /** Linear D → C on the clip vector. */
  readonly contrast: Layer;
}

export interface DeloresM extends Model {
  readonly config: DeloresMConfig;
  readonly query: Network;
  readonly key: Network;
  /** One head a stage. */
  readonly heads: readonly BarlowHead[];
  /** Negatives as columns [C, K]. */
  readonly queue: Variable;
  /** Keys of the last loss, waiting to enter the queue. */
  readonly pending: { keys?: Tensor };
}

const stages = ['stage1', 'stage2', 'stage3'] as const;

export const deloresM = defineMethod<typeof deloresMConfig, DeloresM>({
  id: 'delores-m',
  card: {
    ...sharedCard,
    title: 'DeLoRes-M: decorrelating feature spaces for learning general-purpose audio representations',
    paper: 'https://ieeexplore.ieee.org/document/9868132',
    code: 'Sreyan88/LAPE/src/upstream/delores_m@81ba8d9c3a6223dc4de2b09c7c168b5577928f1c',
    differences: [
      ...sharedDifferences,
      'No shuffling of batch statistics between devices (LAPE never reaches its own).',
    ],
  },
  config: deloresMConfig,
  // LAPE trains on 4 GPUs with 128 clips each
  recipe: {
    optimizer: 'sgd',
    lr: 3e-4,
    momentum: 0.9,
    weightDecay: 1e-4,
    schedule: 'constant',
    batchSize: 512,
    epochs: 50,
  },
  presets: {
    paper: { note: "LAPE's values, the maintained code of the authors." },
    lape: { note: 'The same, written out: λ = 5e-5 on both Barlow terms, scale 1/32, U = 2048.', config: lapeTerm },
    original: {
      note: 'Barlow weights of the first release, and the learning rate LAPE used before.',
      config: originalTerm,
      recipe: { lr: 0.03 },
    },
    quickstart: {
      note: 'Minutes on two cores: narrower network and queue, Adam, crops from cached spectrograms.',
      config: {
        width: 512,
        projectorWidth: 512,
        crop: 'spectrogram',
        queueSize: 4096,
        keyMomentum: 0.99,
        lambdaOn: 1,
        lambdaOff: 0.005,
        dropout: 0,
      },
      recipe: { optimizer: 'adamw', lr: 1e-3, schedule: 'cosine', warmupEpochs: 1, batchSize: 64, epochs: 10 },
    },
    smoke: {
      note: 'Ends in seconds on a CPU; for tests.',
      config: {
        seconds: 0.4,
        width: 32,
        projectorWidth: 32,
        contrastWidth: 16,
        queueSize: 64,
        keyMomentum: 0.9,
        lambdaOn: 1,
        lambdaOff: 0.05,
        dropout: 0,
      },
      recipe: { optimizer: 'adamw', lr: 3e-3, batchSize: 8, steps: 14 },
    },
  },
  input: deloresInput,
  views: deloresViews,

  build(config, context) {
    const { rng } = context;
    const backbone = networkOf(context, () => deloresBackbone(config, rng.fork('backbone')));
    const contrast = linear(config.width, config.contrastWidth, rng.fork('contrast'));
    const keyContrast = linear(config.width, config.contrastWidth, rng.fork('contrast'));
    const key: Network = { backbone: backbone.clone(), contrast: keyContrast };
    const heads = stageWidths.map((inputs, i) => deloresHead(inputs, config, rng.fork(`projector${i + 1}`)));
    const queue = createQueue(config.contrastWidth, config.queueSize, rng.fork('queue'));
    const followers = mergeParams(
      prefixed('key.backbone', key.backbone.params),
      prefixed('key.contrast', keyContrast.params),
    );
    const params = mergeParams(
      prefixed('backbone', backbone.params),
      prefixed('contrast', contrast.params),
      ...heads.map((head, i) => prefixed(`barlow${i + 1}`, head.params)),
    );
    return {
      trainable: trainableOf(params),
      state: mergeParams(buffersOf(params), followers, new Map([['queue', queue]])),
      backbone,
      config,
      query: { backbone, contrast },
      key,
      heads,
      queue,
      pending: {},
    };
  },

  /** θ_k ← m·θ_k + (1 − m)·θ_q, parameters only: the key network's batch statistics evolve by themselves. */
  beforeStep({ query, key, config }) {
    emaUpdate(trainableOf(key.backbone.params), query.backbone.params, config.keyMomentum);
    emaUpdate(key.contrast.params, query.contrast.params, config.keyMomentum);
  },

  loss(model, batch, step) {
    const { loss, contrast, barlow, keys } = deloresMTerms(model, batch, step);
    model.pending.keys?.dispose();
    model.pending.keys = tf.keep(withoutGradient(() => tf.clone(keys)));
    const [barlow1, barlow2, barlow3] = barlow;
    return { loss, logs: { contrast, barlow1: barlow1!, barlow2: barlow2!, barlow3: barlow3! } };
  },

  /** The batch's keys replace the oldest in the queue. */
  afterStep({ queue, pending }, _batch, { index }) {
    if (!pending.keys) return;
    enqueue(queue, pending.keys, index);
    pending.keys.dispose();
    delete pending.keys;
  },
});

export interface DeloresMTerms {
  readonly loss: Scalar;
  readonly contrast: Scalar;
  readonly barlow: readonly Scalar[];
  /** [B, 1 + K] */
  readonly logits: Tensor;
  /** [B, C], of unit length. */
  readonly keys: Tensor;
  /** The key network's stage means. */
  readonly keyLevels: readonly Tensor[];
}

/** InfoNCE + B₁ + B₂ + B₃. The first view is the query's, the second the key's; keys carry no gradient, projectors get both sides'. `parts` as in the backbone. */
export function deloresMTerms(model: DeloresM, batch: Batch, { rng }: Step, parts = 1): DeloresMTerms {
  const { query, key, heads, queue, config } = model;
  const rows = batch['view1']!.shape[0]!;
  checkQueue('delores-m', config.queueSize, rows);
  const q = embedLevels(query, batch['view1']!, { training: true, rng: rng.fork('query'), parts });
  const k = withoutGradient(() => embedLevels(key, batch['view2']!, { training: true, rng: rng.fork('key'), parts }));
  const { loss: contrast, logits } = infoNce({ q: q.contrast, k: k.contrast, queue, temperature: config.temperature });
  const barlow = heads.map((head, i) => {
    return head.loss(q.levels[i]!, k.levels[i]!, { training: true, rng: rng.fork(`projector${i + 1}`) }).loss;
  });
  const loss = tf.addN([contrast, ...barlow]) as Scalar;
  return { loss, contrast, barlow, logits, keys: k.contrast, keyLevels: k.levels };
}

/** Contrast vector of unit length [B, C], and the time mean of each stage [B, mel·channels], index = mel·64 + channel. */
export function embedLevels({ backbone, contrast }: Network, x: Tensor, options: AudioNttForwardOptions) {
  const { clip, maps } = backbone.forward(x, { ...options, maps: stages });
  const levels = stages.map((stage) => {
    const mean = tf.mean(maps![stage]!, 2); // [B, mel, 64]
    return tf.reshape(mean, [mean.shape[0]!, -1]);
  });
  const raw = contrast.forward(clip, { training: options.training });
  return { raw, contrast: unitRows(raw), levels };
}

/** Inputs of the three projectors: 64 channels × 32, 16 and 8 mel rows. */
const stageWidths = [2048, 1024, 512];
