/**
 * MT-SLVR: one network learns to ignore transformations (contrastive) and to tell which there were (predictive), each task through
 * adapters of its own.
 *
 * Heggan, Hospedales, Budgett, Yaghoobi, "MT-SLVR: Multi-Task Self-Supervised Learning for Transformation In(Variant)
 * Representations", Interspeech 2023, arXiv 2305.17191. Constants as CHeggan/MT-SLVR@13b49c20, which has no licence: written from its
 * description.
 *
 * Legend: B rows, N samples, F mel bands, T frames, O width of a task's output.
 */
import { z } from 'zod';
import { createFrontEnd, frontEnds, normalizeClip, normalizeFixed } from '@unlabel/audio';
import { adapterKinds, buildMtSlvrResnet, networkOf, type MtSlvrResnet } from '@unlabel/backbones';
import { DataError, defineMethod, type Model, type Scalar, type Tensor } from '@unlabel/core';
import { buffersOf, mergeParams, prefixed, tf, trainableOf } from '@unlabel/engine';
import { predictiveHead, simClrHead, simSiamHead, type ContrastiveHead, type PredictiveHead } from './heads.ts';
import { applyPipeline, drawPipeline, labelsOf } from './transforms.ts';

const sampleRate = 16000;

export const mtSlvrConfig = z.strictObject({
  seconds: z.number().positive().default(10).meta({ unit: 's', paper: 'AudioSet clips' }),
  /** How the waveform is normalised before it is transformed: by fixed statistics, or each crop by its own. */
  waveform: z.enum(['fixed', 'clip']).default('fixed'),
  /** Of the waveforms of the training set, for `fixed`; AudioSet's balanced part. */
  mean: z.number().default(-0.00029522),
  std: z.number().positive().default(0.11652075),
  adapter: z.enum(adapterKinds).default('parallel').meta({ paper: '§3.2' }),
  /** Outputs of both tasks together. */
  outputs: z.int().min(2).multipleOf(2).default(1000),
  width: z.int().positive().default(64).meta({ paper: 'ResNet-18' }),
  layers: z.array(z.int().min(1)).length(4).default([2, 2, 2, 2]),
  contrastive: z.enum(['simclr', 'simsiam']).default('simclr'),
  /** Both losses on one network, or one alone: the paper's single-task baselines. */
  objective: z.enum(['both', 'contrastive', 'predictive']).default('both'),
  predictiveWeight: z.number().min(0).default(1).meta({ symbol: 'λ' }),
  temperature: z.number().positive().default(0.07).meta({ symbol: 'τ' }),
  /** Width of SimCLR's projection. */
  projectionWidth: z.int().positive().default(256),
  /** Width of SimSiam's projector; its predictor narrows to a quarter. */
  siameseWidth: z.int().positive().default(2048),
});
export type MtSlvrConfig = z.output<typeof mtSlvrConfig>;

export interface MtSlvr extends Model {
  readonly backbone: MtSlvrResnet;
  readonly contrastive: ContrastiveHead | undefined;
  readonly predictive: PredictiveHead | undefined;
  readonly predictiveWeight: number;
}

/** Minutes on two cores; both halves together as wide as a single task's network. */
const small: Partial<z.input<typeof mtSlvrConfig>> = {
  seconds: 1,
  waveform: 'clip',
  width: 16,
  layers: [1, 1, 1, 1],
  outputs: 256,
  temperature: 0.2,
};
const smallRecipe = {
  lr: 2e-3,
  weightDecay: 1e-4,
  schedule: 'cosine',
  warmupSteps: 20,
  batchSize: 32,
  steps: 1500,
  clipNorm: 1,
} as const;

export const mtSlvr = defineMethod<typeof mtSlvrConfig, MtSlvr>({
  id: 'mt-slvr',
  card: {
    title: 'MT-SLVR: multi-task self-supervised learning for transformation in(variant) representations',
    authors: 'Calum Heggan, Tim Hospedales, Sam Budgett, Mehrdad Yaghoobi',
    year: 2023,
    paper: 'https://arxiv.org/abs/2305.17191',
    code: 'CHeggan/MT-SLVR@13b49c20b231fe2773e5d12060918f022688d972',
    licence: 'code and weights without a licence (described, not copied)',
    modality: 'audio',
    differences: [
      'Adam’s weight decay of 1e-6 is decoupled (AdamW), not added to the gradient.',
      'The cosine falls once over the run; the authors’ falls to 0 in 1,000 steps and climbs again, because it counts steps as epochs.',
      'Pitch is shifted as torchaudio does it, to any ratio; torch-audiomentations takes the nearest of a list of fractions.',
      'No early stopping on a validation loss of random augmentations: the last network is kept.',
    ],
  },
  config: mtSlvrConfig,
  // 50 steps an "epoch", at most 1,000 of them
  recipe: {
    optimizer: 'adamw',
    lr: 5e-5,
    weightDecay: 1e-6,
    schedule: 'cosine',
    batchSize: 100,
    epochs: 1,
    steps: 50_000,
  },
  presets: {
    paper: { note: 'The authors’ values: ResNet-18 with parallel adapters, SimCLR and prediction, ten-second clips.' },
    simsiam: { note: 'SimSiam as the contrastive half.', config: { contrastive: 'simsiam' } },
    'contrastive-only': {
      note: 'The paper’s Cont: SimCLR alone on torchvision’s ResNet-18.',
      config: { adapter: 'none', objective: 'contrastive' },
    },
    'predictive-only': {
      note: 'The paper’s Pred: prediction of the transformations alone on torchvision’s ResNet-18.',
      config: { adapter: 'none', objective: 'predictive' },
    },
    small: {
      note: 'A quarter of an hour on two shared cores: a quarter of the width, one block a stage, one-second crops. 5-way 1-shot on the embedded audio (CL2N): 38.7 %, its untrained network 32.9 %, mel statistics 39.7 %; 5-shot 47.4, 38.2, 45.7 %.',
      config: small,
      recipe: smallRecipe,
    },
    'small-contrastive': {
      note: 'The same with the contrastive task alone.',
      config: { ...small, adapter: 'none', objective: 'contrastive' },
      recipe: smallRecipe,
    },
    'small-predictive': {
      note: 'The same with the predictive task alone.',
      config: { ...small, adapter: 'none', objective: 'predictive' },
      recipe: smallRecipe,
    },
    smoke: {
      note: 'Ends in seconds on a CPU; for tests.',
      config: {
        ...small,
        seconds: 0.25,
        width: 4,
        outputs: 32,
        projectionWidth: 16,
        siameseWidth: 16,
        temperature: 0.5,
      },
      recipe: { lr: 0.02, schedule: 'constant', batchSize: 12, steps: 14 },
    },
  },

  input: ({ seconds }) => ({
    modality: 'audio',
    sampleRate,
    seconds,
    embedFrontEnd: { ...frontEnds['mt-slvr-3'] },
  }),

  /** Two views through the same transforms with parameters of their own, as stacked channels [3·F, T], and which they were [7]. */
  views({ waveform, mean, std }) {
    const frontEnd = createFrontEnd({ ...frontEnds['mt-slvr-3'], waveform: { kind: 'none' } });
    return ({ audio }, { rng }) => {
      if (!audio) throw new DataError('mt-slvr: an input has no audio [1, N].');
      const clip =
        waveform === 'clip' ? normalizeClip(audio.data.slice()) : normalizeFixed(audio.data.slice(), mean, std);
      const pipeline = drawPipeline(rng.fork('pipeline'));
      const view = (name: string) => frontEnd.apply(applyPipeline(clip, pipeline, rng.fork(name)));
      return { view1: view('view1'), view2: view('view2'), transform: { data: labelsOf(pipeline), shape: [7] } };
    };
  },

  build(config, context) {
    const { rng } = context;
    const { adapter, width, layers, outputs, contrastive: kind, objective } = config;
    const tasks = adapter === 'none' ? 1 : 2;
    const each = outputs / tasks;
    const backbone = networkOf(context, () =>
      buildMtSlvrResnet({ adapter, tasks, outputs: each, width, layers }, rng.fork('backbone')),
    );
    const head = rng.fork('contrastive');
    const contrastive =
      objective === 'predictive'
        ? undefined
        : kind === 'simclr'
          ? simClrHead(each, config.projectionWidth, config.temperature, head)
          : simSiamHead(each, config.siameseWidth, head);
    const predictive = objective === 'contrastive' ? undefined : predictiveHead(each, rng.fork('predictive'));
    const params = mergeParams(
      prefixed('backbone', backbone.params),
      contrastive?.params ?? new Map(),
      predictive?.params ?? new Map(),
    );
    return {
      trainable: trainableOf(params),
      state: buffersOf(params),
      backbone,
      contrastive,
      predictive,
      predictiveWeight: config.predictiveWeight,
    };
  },

  loss(model, { view1, view2, transform }) {
    const { contrastive, predictive, predictiveWeight } = model;
    const last = model.backbone.config.tasks - 1;
    const tasks = [...new Set([...(contrastive ? [0] : []), ...(predictive ? [last] : [])])];
    // both views in one batch, normalised apart
    const { branches } = model.backbone.forward(tf.concat([view1!, view2!]), { training: true, groups: 2, tasks });
    const logs: Record<string, Scalar> = {};
    const terms: Tensor[] = [];
    if (contrastive) terms.push((logs['contrastive'] = contrastive.loss(branches['0']!)));
    if (predictive) {
      logs['predictive'] = predictive.loss(branches[String(last)]!, transform!);
      terms.push(contrastive ? tf.mul(logs['predictive'], predictiveWeight) : logs['predictive']);
    }
    return { loss: tf.addN(terms) as Scalar, logs };
  },
});
