/**
 * Fine-tuning of BEATs (§3.4): a linear layer on every token, logits averaged over the clip, the whole network moved, each layer's gradient passed
 * down times 0.6. The network an earlier stage hands on is where it starts. Paper and legend in `shared.ts`; K here the classes.
 *
 * SpecAugment and mixup are the paper's; their values are not stated and follow AST (Gong et al., arXiv 2104.01778v3 §3.1, which mixes
 * waveforms; here the powers in the bands are mixed, as waveforms that do not correlate mix them).
 */
import { z } from 'zod';
import { frontEnds } from '@unlabel/audio';
import { specAugment } from '@unlabel/augment';
import { buildBeats, type Beats } from '@unlabel/backbones';
import {
  ConfigError,
  defineMethod,
  type Model,
  type NdArray,
  type Rng,
  type Sample,
  type Scalar,
  type Tensor,
  type Views,
} from '@unlabel/core';
import { buffersOf, prefixed, tf, trainableOf } from '@unlabel/engine';
import { binaryCrossEntropy, labelCrossEntropy } from '@unlabel/objectives';
import { beatsInput, beatsViews, encoderOf, paperRecipe, sharedCard, sharedConfig, smallNetwork, smokeNetwork } from './shared.ts'; // prettier-ignore

export const fineTuneConfig = z.strictObject({
  ...sharedConfig,
  /** Classes, in the order of the outputs; items name theirs in an index's `labels`, or by the folder they lie in. */
  vocabulary: z.array(z.string().min(1)).default([]),
  /** Any number of classes an item, or one. */
  labelling: z.enum(['multilabel', 'multiclass']).default('multilabel'),
  /** Each layer's gradient reaches the one below times this. */
  layerGradient: z.number().min(0).max(1).default(0.6).meta({ paper: 'cfg of the fine-tuned models' }),
  /** Share of inputs that an earlier one is mixed into; 0 for none. */
  mixup: z.number().min(0).max(1).default(0.5).meta({ paper: 'not stated; AST' }),
  /** Most bands and frames under SpecAugment's masks, one of each; 0 for none. */
  maskBands: z.int().min(0).default(48).meta({ paper: 'not stated; AST' }),
  maskFrames: z.int().min(0).default(192).meta({ paper: 'not stated; AST' }),
  /** How many inputs back the one that is mixed in may lie. */
  mixupMemory: z.int().min(1).default(2048),
});
export type FineTuneConfig = z.output<typeof fineTuneConfig>;

export interface FineTune extends Model {
  readonly backbone: Beats;
  readonly config: FineTuneConfig;
}

const noDropout = { dropout: 0, attentionDropout: 0, inputDropout: 0 } as const;

export const fineTune = defineMethod<typeof fineTuneConfig, FineTune>({
  id: 'beats-fine-tune',
  card: {
    ...sharedCard,
    title: 'BEATs, fine-tuned with labels',
    differences: ['The values of SpecAugment and mixup are AST’s; the paper does not state them.'],
  },
  config: fineTuneConfig,
  recipe: { ...paperRecipe, lr: 5e-5, warmupSteps: 8000, steps: 100_000 },
  presets: {
    paper: { note: 'The recipe behind the published `cpt2`: rate 5e-5, 100 000 steps.' },
    small: {
      note: 'Minutes on two cores, for the embedded suite.',
      config: { ...smallNetwork, ...noDropout, maskBands: 16, maskFrames: 16 },
      recipe: { lr: 5e-4, warmupSteps: 20, batchSize: 32, steps: 200, clipNorm: 1 },
    },
    smoke: {
      note: 'Ends in seconds on a CPU; for tests.',
      config: { ...smokeNetwork, ...noDropout, maskBands: 4, maskFrames: 4, mixup: 0 },
      recipe: { lr: 5e-3, warmupSteps: 2, batchSize: 8, steps: 14 },
    },
  },
  accumulates: true,
  input: (config) => ({ ...beatsInput(config), labels: config.vocabulary }),
  views: fineTuneViews,

  build(config, { rng, upstream = {} }) {
    const classes = config.vocabulary.length;
    if (classes < 2) throw new ConfigError(`beats-fine-tune: vocabulary has ${classes} classes; name at least two.`);
    const { layerGradient } = config;
    const backbone = buildBeats({ ...encoderOf(config), layerGradient, classes }, rng.fork('backbone'));
    const [start, ...others] = Object.values(upstream);
    if (others.length > 0 || (start && start.id !== 'beats'))
      throw new ConfigError('beats-fine-tune: expected one beats network to start from.');
    if (start) takeOver(backbone, start as Beats);
    const params = prefixed('backbone', backbone.params);
    return { trainable: trainableOf(params), state: buffersOf(params), backbone, config };
  },

  loss({ backbone, config }, { x, labels }, { rng }) {
    const { tokens } = backbone.trace(x!, { training: true, rng });
    const logits = backbone.classify(tokens); // [B, K]
    // a mixed input has several classes
    const isBinary = config.labelling === 'multilabel' || config.mixup > 0;
    const loss = isBinary ? binaryCrossEntropy(logits, labels!) : labelCrossEntropy(logits, tf.argMax(labels!, 1));
    return { loss, logs: { accuracy: hits(logits, labels!) } };
  },
});

/** Everything but the classifier. @throws ConfigError for a network of another size */
function takeOver(network: Beats, { params }: Beats): void {
  for (const [name, variable] of network.params) {
    if (name.startsWith('predictor.')) continue;
    const given = params.get(name);
    if (given?.shape.join() !== variable.shape.join())
      throw new ConfigError(
        `beats-fine-tune: ${name} is [${given?.shape.join(', ') ?? 'missing'}] in the network to start from, and [${variable.shape.join(', ')}] here`,
      );
    tf.tidy(() => variable.assign(tf.clone(given)));
  }
}

/** Share of rows whose strongest class is one of theirs. */
const hits = (logits: Tensor, labels: Tensor): Scalar => {
  const strongest = tf.oneHot(tf.argMax(logits, 1), logits.shape[1]!);
  return tf.mean(tf.max(tf.mul(tf.cast(tf.greater(labels, 0), 'float32'), tf.cast(strongest, 'float32')), 1)) as Scalar;
};

/** Mixup, then SpecAugment; `labels` are mixed alike. */
function fineTuneViews({ mixup, mixupMemory, maskBands, maskFrames }: FineTuneConfig): Views {
  return async (sample, context) => {
    const { rng, position } = context;
    const draws = rng.fork('mixup');
    const back = position > 0 && draws.chance(mixup) ? 1 + draws.int(Math.min(position, mixupMemory)) : 0;
    const other = back > 0 ? await context.recent(back) : undefined;
    const mixed = other ? mix(await plain(sample, context), await plain(other, context), beta10(draws)) : await plain(sample, context); // prettier-ignore
    const masks = { freqMasks: 1, timeMasks: 1, maxBands: maskBands, maxFrames: maskFrames };
    return { x: specAugment(mixed.x, rng.fork('masks'), masks), labels: mixed.labels };
  };
}

interface Labelled {
  readonly x: NdArray;
  readonly labels: NdArray;
}

async function plain(sample: Sample, context: Parameters<Views>[1]): Promise<Labelled> {
  const { x } = await beatsViews(sample, context);
  return { x: x!, labels: sample['labels']! };
}

const { mean, std } = frontEnds.beats.normalize;

/** Amplitudes λ and 1 − λ: powers λ²·eᵃ + (1 − λ)²·eᵇ of the bands behind their normalisation, labels λ and 1 − λ. */
function mix(a: Labelled, b: Labelled, lambda: number): Labelled {
  const data = a.x.data.map((value, i) => {
    const [one, two] = [value * std + mean, b.x.data[i]! * std + mean];
    return (Math.log(lambda ** 2 * Math.exp(one) + (1 - lambda) ** 2 * Math.exp(two)) - mean) / std;
  });
  const labels = a.labels.data.map((value, i) => lambda * value + (1 - lambda) * b.labels.data[i]!);
  return { x: { data, shape: a.x.shape }, labels: { data: labels, shape: a.labels.shape } };
}

/** Beta(10, 10), of two sums of ten exponentials. */
function beta10(rng: Rng): number {
  const gamma = (): number => Array.from({ length: 10 }, () => -Math.log(1 - rng.uniform())).reduce((a, b) => a + b);
  const [a, b] = [gamma(), gamma()];
  return a / (a + b);
}
