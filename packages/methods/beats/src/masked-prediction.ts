/**
 * One iteration of BEATs: the codes of masked patches are predicted from the visible quarter (§3.1, §3.3). Iteration 1 labels patches by a
 * random projection; later ones by the distilled tokenizer that an earlier stage hands on. Paper and legend in `shared.ts`.
 */
import { z } from 'zod';
import { buildBeats, networkOf, type Beats, type BeatsTokenizer } from '@unlabel/backbones';
import {
  ConfigError,
  defineMethod,
  type Backbone,
  type Batch,
  type BuildContext,
  type Model,
  type Params,
  type Scalar,
  type Step,
  type Tensor,
  type Variable,
} from '@unlabel/core';
import { init, mergeParams, parameter, prefixed, tf, trainableOf, withoutGradient } from '@unlabel/engine';
import { randomMask, takeVisible, type TokenMask } from '@unlabel/nn';
import { codebookHealth, labelAccuracy, labelCrossEntropy } from '@unlabel/objectives';
import { labelPredictor, type LabelPredictor } from './predictor.ts';
import { randomProjection, type Tokenizer } from './random-projection.ts';
import {
  beatsInput,
  beatsViews,
  encoderOf,
  paperRecipe,
  sharedCard,
  sharedConfig,
  smallNetwork,
  smokeNetwork,
} from './shared.ts';

export const maskedPredictionConfig = z.strictObject({
  ...sharedConfig,
  /** Share of the patches that the encoder does not see. */
  maskRatio: z.number().gt(0).lt(1).default(0.75).meta({ paper: '§3.3' }),
  predictorLayers: z.int().min(1).max(64).default(3).meta({ paper: 'not stated; OpenBEATs' }),
  /** Default the encoder's. */
  predictorWidth: z.int().min(2).max(4096).optional(),
  /** At masked places of the predictor's input. */
  filler: z.enum(['zeros', 'learned']).default('zeros').meta({ paper: '§3.3; OpenBEATs: learned' }),
  labelSmoothing: z.number().min(0).lt(1).default(0).meta({ paper: 'OpenBEATs: 0.1' }),
  /** Of the random projection; a tokenizer that is handed on has its own. */
  codes: z.int().min(2).max(65536).default(1024).meta({ symbol: 'K', paper: '§4.2' }),
  codeWidth: z.int().min(1).max(4096).default(256).meta({ paper: '§4.2' }),
  /**
   * Share of each patch's mean level that the random projection does not see. With 0, codes of sounds between silences say how loud a patch is
   * and little else; BEST-RQ asks for inputs of zero mean (arXiv 2202.01855v2 §3).
   */
  centering: z.number().min(0).max(1).default(0),
});
export type MaskedPredictionConfig = z.output<typeof maskedPredictionConfig>;

export interface MaskedPrediction extends Model {
  readonly backbone: Beats;
  readonly predictor: LabelPredictor;
  readonly tokenizer: Tokenizer;
  /** How often each code was a label so far, and one besides [K]: the unigram that prediction is measured against. */
  readonly counts: Variable;
  readonly config: MaskedPredictionConfig;
}

const isTokenizer = (backbone: Backbone): backbone is BeatsTokenizer => backbone.id === 'beats-tokenizer';

/** The tokenizer of an earlier stage, or undefined. */
function handedOn({ upstream = {} }: BuildContext): BeatsTokenizer | undefined {
  const [first, ...others] = Object.entries(upstream);
  if (!first) return undefined;
  if (others.length > 0 || !isTokenizer(first[1]))
    throw new ConfigError(
      `beats-iteration: upstream is ${Object.entries(upstream).map(([id, { id: family }]) => `${id} (${family})`).join(', ')}; expected one beats-tokenizer`,
    ); // prettier-ignore
  return first[1];
}

export const maskedPrediction = defineMethod<typeof maskedPredictionConfig, MaskedPrediction>({
  id: 'beats-iteration',
  card: {
    ...sharedCard,
    title: 'BEATs, one iteration: the codes of masked patches from the visible ones',
    differences: [
      'The number of layers of the predictor and the distributions of the random projection are OpenBEATs’; the paper does not state them.',
      'Labels are computed in each step from the very crop, not once for the data set.',
    ],
  },
  config: maskedPredictionConfig,
  recipe: paperRecipe,
  presets: {
    paper: { note: 'The base network and the paper’s recipe: 400 000 steps of 560 clips.' },
    openbeats: {
      note: 'What OpenBEATs settled where the paper is silent: a learned filler, label smoothing, clipped gradients.',
      config: { filler: 'learned', labelSmoothing: 0.1 },
      recipe: { warmupSteps: 40_000, clipNorm: 1 },
    },
    small: {
      note: 'Minutes on two cores, for the embedded suite.',
      // a crop has 48 patches: of a quarter of them the rest cannot be told, and what follows sees all of them
      config: { ...smallNetwork, maskRatio: 0.5, predictorLayers: 1, codes: 256, codeWidth: 64, centering: 0.7 },
      recipe: { lr: 2e-3, warmupSteps: 60, batchSize: 32, steps: 1000, clipNorm: 1 },
    },
    smoke: {
      note: 'Ends in seconds on a CPU; for tests.',
      config: { ...smokeNetwork, predictorLayers: 1, codes: 16, codeWidth: 8 },
      recipe: { lr: 5e-3, warmupSteps: 2, batchSize: 8, steps: 14 },
    },
  },
  accumulates: true,
  input: beatsInput,
  views: () => beatsViews,

  build(config, context) {
    const { rng } = context;
    const backbone = networkOf(context, () => buildBeats(encoderOf(config), rng.fork('backbone')));
    const { width, patchSize, codes, codeWidth, centering } = config;
    const given = handedOn(context);
    const random = given ? undefined : randomProjection({ patchSize, patchWidth: 512, codes, codeWidth, centering }, rng.fork('tokenizer')); // prettier-ignore
    const tokenizer: Tokenizer = given ?? random!;
    const predictor = labelPredictor(
      {
        encoder: {
          ...(backbone.config as MaskedPredictionConfig & { layerGradient: number }), // of the same family
          layers: config.predictorLayers,
          width: config.predictorWidth ?? width,
        },
        inputs: width,
        codes: tokenizer.codes,
        filler: config.filler,
      },
      rng.fork('predictor'),
    );
    const counts = parameter(init.ones([tokenizer.codes]), { trainable: false });
    const params = mergeParams(prefixed('backbone', backbone.params), prefixed('predictor', predictor.params));
    const state: Params = mergeParams(
      random ? prefixed('tokenizer', random.params) : new Map(),
      new Map([['labels.counts', counts]]),
    );
    return { trainable: trainableOf(params), state, backbone, predictor, tokenizer, counts, config };
  },

  loss(model, batch, step) {
    const { loss, accuracy, labels } = maskedPredictionTerms(model, batch, step);
    const { usage, perplexity } = codebookHealth(labels, model.tokenizer.codes);
    return { loss, logs: { accuracy, unigram: countedUnigram(model.counts, labels), labelUsage: usage, labelPerplexity: perplexity } }; // prettier-ignore
  },
});

export interface MaskedPredictionTerms {
  readonly loss: Scalar;
  /** Share of masked patches whose most likely code is theirs. */
  readonly accuracy: Scalar;
  /** Codes of the masked patches [B·M], int32. */
  readonly labels: Tensor;
  /** [B·M, K] */
  readonly logits: Tensor;
}

/** −1/M·Σ log p(code | visible patches) over masked patches (Eq. 3), in nats. The mask is drawn from `rng` where none is given. */
export function maskedPredictionTerms(
  model: MaskedPrediction,
  { x }: Batch,
  { rng }: Pick<Step, 'rng'>,
  given?: TokenMask,
): MaskedPredictionTerms {
  const { backbone, predictor, tokenizer, config } = model;
  const training = (label: string) => ({ training: true, rng: rng.fork(label) });
  const tokens = backbone.embed(x!, training('input')); // [B, N, D]
  const [rows = 1, count = 1] = tokens.shape;
  const mask = given ?? randomMask({ rows, tokens: count, ratio: config.maskRatio }, rng.fork('mask'));
  // positions inside the encoder are those of the visible sequence; where patches stood only the predictor sees
  const visible = backbone.encoder.forward(takeVisible(tokens, mask), training('encoder')); // [B, V, D]
  const logits = predictor.forward(visible, mask, training('predictor')); // [B·M, K]
  const labels = withoutGradient(() =>
    tf.tidy(() => tf.gather(tf.reshape(tokenizer.labels(x!), [-1]), tf.tensor1d(mask.masked, 'int32'))),
  );
  return {
    loss: labelCrossEntropy(logits, labels, { smoothing: config.labelSmoothing }),
    accuracy: labelAccuracy(logits, labels),
    labels,
    logits,
  };
}

/**
 * Cross entropy, in nats, of labels under the frequencies of all labels before them: what a predictor that sees no audio reaches. Then counts
 * them in.
 */
function countedUnigram(counts: Variable, labels: Tensor): Scalar {
  return withoutGradient(() =>
    tf.tidy(() => {
      const chosen = tf.cast(tf.sum(tf.oneHot(labels, counts.size), 0), 'float32'); // [K]
      const logProbability = tf.sub(tf.log(counts), tf.log(tf.sum(counts)));
      const unigram = tf.neg(tf.div(tf.sum(tf.mul(chosen, logProbability)), labels.shape[0]!)) as Scalar;
      counts.assign(tf.add(counts, chosen));
      return unigram;
    }),
  );
}
