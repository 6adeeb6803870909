/**
 * Tokenizer distillation of BEATs (§3.2): an encoder whose outputs are quantised, and an estimator that rebuilds a teacher's outputs from the codes.
 * The teacher is the network of the iteration before, or that network fine-tuned. Paper and legend in `shared.ts`; C code width.
 */
import { z } from 'zod';
import {
  beatsEncoder,
  buildBeatsTokenizer,
  type Beats,
  type BeatsEncoder,
  type BeatsTokenizer,
} from '@unlabel/backbones';
import {
  ConfigError,
  defineMethod,
  type Batch,
  type BuildContext,
  type Model,
  type Params,
  type Scalar,
  type Step,
  type Tensor,
  type Variable,
} from '@unlabel/core';
import { buffersOf, init, mergeParams, parameter, prefixed, tf, trainableOf, withoutGradient } from '@unlabel/engine';
import { linear, type Layer } from '@unlabel/nn';
import {
  codebookHealth,
  cosineKMeans,
  deadCodes,
  quantize,
  unitRows,
  updateCodebook,
  type Quantized,
} from '@unlabel/objectives';
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

export const tokenizerConfig = z.strictObject({
  ...sharedConfig,
  codes: z.int().min(2).max(65536).default(1024).meta({ symbol: 'K', paper: '§4.2' }),
  codeWidth: z.int().min(1).max(4096).default(256).meta({ symbol: 'C', paper: '§4.2' }),
  estimatorLayers: z.int().min(1).max(64).default(3).meta({ paper: '§3.2' }),
  /** What the teacher gives of each patch: its last layer, or, when it is fine-tuned, the logits of its classifier. */
  target: z.enum(['tokens', 'logits']).default('tokens').meta({ paper: '§3.2' }),
  codebookDecay: z.number().min(0).max(1).default(0.99).meta({ paper: 'quantizer.py' }),
  /** Of the commitment term, a mean over C: 1/C of the squared norm in the paper. */
  commitment: z.number().min(0).default(1).meta({ paper: 'quantizer.py' }),
  kMeansIterations: z.int().min(1).max(1000).default(10).meta({ paper: 'quantizer.py' }),
});
export type TokenizerConfig = z.output<typeof tokenizerConfig>;

export interface TokenizerDistillation extends Model {
  readonly backbone: BeatsTokenizer;
  readonly teacher: Beats;
  readonly estimator: { readonly enter: Layer; readonly transformer: BeatsEncoder; readonly out: Layer };
  /** Moving average of how many patches a code gets [K]. */
  readonly clusterSize: Variable;
  /** The step's unit vectors and codes, until the codebook has moved. */
  readonly pending: { quantized?: Pick<Quantized, 'unit' | 'labels'> };
  readonly config: TokenizerConfig;
}

function teacherOf({ upstream = {} }: BuildContext, target: TokenizerConfig['target']): Beats {
  const found = Object.values(upstream);
  const [teacher] = found;
  if (found.length !== 1 || teacher?.id !== 'beats')
    throw new ConfigError(
      `beats-tokenizer: expected one beats network as teacher, found ${found.map(({ id }) => id).join(', ') || 'none'}. It runs as a stage of beats.`,
    );
  if (target === 'logits' && !(Number(teacher.config['classes']) > 0))
    throw new ConfigError(
      'beats-tokenizer: target is logits, and the teacher has no classifier. Set target to tokens.',
    );
  return teacher as Beats;
}

export const tokenizerDistillation = defineMethod<typeof tokenizerConfig, TokenizerDistillation>({
  id: 'beats-tokenizer',
  card: {
    ...sharedCard,
    title: 'BEATs’ tokenizer, distilled from a teacher',
    differences: ['The estimator’s Transformer is of the encoder’s kind; the paper says that it has three layers.'],
  },
  config: tokenizerConfig,
  // 1400 s of audio a step; with a fine-tuned teacher the rate is 5e-4
  recipe: { ...paperRecipe, lr: 5e-5, batchSize: 140 },
  presets: {
    paper: { note: 'The base network and the paper’s recipe for a self-supervised teacher.' },
    small: {
      note: 'Minutes on two cores, for the embedded suite.',
      config: { ...smallNetwork, codes: 256, codeWidth: 64, estimatorLayers: 1 },
      recipe: { lr: 1e-3, warmupSteps: 20, batchSize: 32, steps: 200, clipNorm: 1 },
    },
    smoke: {
      note: 'Ends in seconds on a CPU; for tests.',
      config: { ...smokeNetwork, codes: 16, codeWidth: 8, estimatorLayers: 1 },
      recipe: { lr: 5e-3, warmupSteps: 2, batchSize: 8, steps: 14 },
    },
  },
  input: beatsInput,
  views: () => beatsViews,

  build(config, context) {
    const { rng } = context;
    const teacher = teacherOf(context, config.target);
    const { codes, codeWidth, width, estimatorLayers } = config;
    const backbone = buildBeatsTokenizer({ ...encoderOf(config), codes, codeWidth }, rng.fork('backbone'));
    const draws = rng.fork('estimator');
    const outputs = config.target === 'logits' ? Number(teacher.config['classes']) : Number(teacher.config['width']);
    const estimator = {
      enter: linear(codeWidth, width, draws.fork('enter')),
      transformer: beatsEncoder(
        { ...(backbone.beats.config as TokenizerConfig & { layerGradient: number }), layers: estimatorLayers },
        draws.fork('transformer'),
      ),
      out: linear(width, outputs, draws.fork('out')),
    };
    const clusterSize = parameter(init.zeros([codes]), { trainable: false });
    const params: Params = mergeParams(
      prefixed('backbone', backbone.params),
      ...Object.entries(estimator).map(([name, { params: own }]) => prefixed(`estimator.${name}`, own)),
    );
    const state = mergeParams(buffersOf(params), new Map([['codebook.clusterSize', clusterSize]]));
    return { trainable: trainableOf(params), state, backbone, teacher, estimator, clusterSize, pending: {}, config };
  },

  loss(model, batch, step) {
    const { loss, cosine, quantized } = tokenizerTerms(model, batch, step);
    tf.dispose(Object.values(model.pending.quantized ?? {}));
    model.pending.quantized = { unit: tf.keep(tf.clone(quantized.unit)), labels: tf.keep(tf.clone(quantized.labels)) };
    const { usage, perplexity } = codebookHealth(quantized.labels, model.config.codes);
    const logs = { cosine, commitment: quantized.commitment, codeUsage: usage, codePerplexity: perplexity };
    return { loss, logs: { ...logs, deadCodes: deadCodes(model.clusterSize) } };
  },

  afterStep({ backbone, clusterSize, pending, config }) {
    const { quantized } = pending;
    if (!quantized) return;
    updateCodebook({ codebook: backbone.codebook, clusterSize, ...quantized, decay: config.codebookDecay });
    tf.dispose(Object.values(quantized));
    delete pending.quantized;
  },
});

export interface TokenizerTerms {
  readonly loss: Scalar;
  /** Mean cosine of the teacher's outputs and their estimates. */
  readonly cosine: Scalar;
  readonly quantized: Quantized;
}

/** −mean cos(o, ô) + the commitment (Eq. 2; its codebook term is the moving average of `afterStep`). The first step draws the codebook. */
export function tokenizerTerms(model: TokenizerDistillation, { x }: Batch, { index, rng }: Step): TokenizerTerms {
  const { backbone, teacher, estimator, config } = model;
  const training = (label: string) => ({ training: true, rng: rng.fork(label) });
  const target = withoutGradient(() =>
    tf.tidy(() => {
      const { tokens } = teacher.trace(x!, { training: false });
      return config.target === 'logits' ? teacher.tokenLogits(tokens) : tokens;
    }),
  ); // [B, N, O]
  const z = backbone.encode(x!, training('encoder')); // [B, N, C]
  const [rows = 1, count = 1, width = 1] = z.shape;
  const flat = tf.reshape(z, [rows * count, width]);
  if (index === 0) startCodebook(model, flat, rng);
  const quantized = quantize(flat, backbone.codebook);
  const entered = estimator.enter.forward(tf.reshape(quantized.codes, z.shape), { training: true });
  const estimated = estimator.out.forward(estimator.transformer.forward(entered, training('estimator')), {
    training: true,
  });
  const cosine = meanCosine(target, estimated);
  const loss = tf.sub(tf.mul(quantized.commitment, config.commitment), cosine) as Scalar;
  return { loss, cosine, quantized };
}

/** Cosine k-means over the first batch. */
function startCodebook({ backbone, clusterSize, config }: TokenizerDistillation, z: Tensor, rng: Step['rng']): void {
  withoutGradient(() =>
    tf.tidy(() => {
      const found = cosineKMeans(unitRows(z), config.codes, rng.fork('k-means'), config.kMeansIterations);
      backbone.codebook.assign(found.codebook);
      clusterSize.assign(found.counts);
    }),
  );
}

/** Mean over tokens of cos(a, b), [B, N, O] each. */
function meanCosine(a: Tensor, b: Tensor): Scalar {
  return tf.mean(tf.sum(tf.mul(unitRows(a), unitRows(b)), -1)) as Scalar;
}
