/**
 * What ATST-Clip and ATST-Frame share: a student that predicts, for each view, what its teacher makes of the other, the teacher being
 * the student's moving average (BYOL).
 *
 * Li and Li, "ATST: Audio Representation Learning with Teacher-Student Transformer", Interspeech 2022, arXiv 2204.12076v3; Li, Shao, Li,
 * "Self-supervised Audio Teacher-Student Transformer for Both Clip-level and Frame-level Tasks", TASLP 2024, arXiv 2306.04186v2. Constants
 * follow Audio-WestlakeU/audiossl methods/{atst,atstframe}@ec3a14db.
 *
 * Legend: B rows, F mel bands, T frames, N patches, D width, U projection width.
 */
import { z } from 'zod';
import { frontEnds } from '@unlabel/audio';
import { mixup, randomResizeCrop, type RandomResizeCropOptions } from '@unlabel/augment';
import { buildAtst, networkOf, type Atst, type AtstConfig } from '@unlabel/backbones';
import {
  ConfigError,
  DataError,
  type BuildContext,
  type InputSpec,
  type Model,
  type NdArray,
  type Recipe,
  type Rng,
  type Sample,
  type Scalar,
  type Tensor,
  type ViewContext,
} from '@unlabel/core';
import { buffersOf, emaUpdate, mergeParams, prefixed, tf, trainableOf, withoutGradient } from '@unlabel/engine';
import { mlp, type Layer } from '@unlabel/nn';
import { byol, byolDecay, directionSpread } from '@unlabel/objectives';

const range = z.tuple([z.number().positive(), z.number().positive()]);

/** Fields both methods have. */
export const sharedConfig = {
  /** Where the random crop is taken: from the waveform at each access, or from a cached spectrogram, whose floor is then the item's. */
  crop: z.enum(['waveform', 'spectrogram']).default('waveform'),
  mixupRatio: z.number().min(0).max(1).default(0.4).meta({ symbol: 'α' }),
  mixupMemory: z.int().positive().default(2000).meta({ unit: 'inputs' }),
  freqScale: range.default([0.6, 1.5]),
  size: z.enum(['tiny', 'small', 'base']).default('small'),
  depth: z.int().min(1).max(64).default(12),
  width: z.int().positive().optional().meta({ symbol: 'D' }),
  heads: z.int().positive().optional(),
  dropPath: z.number().min(0).lt(1).default(0.1),
  projectorHidden: z.int().positive().default(4096),
  projectionWidth: z.int().positive().default(256).meta({ symbol: 'U' }),
  /** Last blocks whose outputs make an embedding; all of them unless stated. */
  embedBlocks: z.int().positive().optional(),
};
const sharedSchema = z.strictObject({ ...sharedConfig, seconds: z.number(), decay: z.number() });
export type SharedConfig = z.output<typeof sharedSchema>;

export const sharedCard = {
  authors: 'Xian Li, Nian Shao, Xiaofei Li',
  licence: 'code MIT, weights CC BY 4.0',
  modality: 'audio',
} as const;

export const sharedDifferences = [
  'One process: batch statistics are those of the whole batch, as with SyncBN; no loader workers with mixup memories of their own.',
  'The mixup memory is the inputs at the last 2000 positions of training, from the first step on; the authors’ fills up anew in each worker.',
];

/** What both recipes have in common. */
export const sharedRecipe = {
  optimizer: 'adamw',
  lrBatchSize: 256,
  finalLr: 1e-6,
  weightDecay: 0.04,
  finalWeightDecay: 0.4,
  options: { beta1: 0.9, beta2: 0.999, eps: 1e-6, decayExceptVectors: true },
  schedule: 'cosine',
  isPeakInWarmup: true,
} as const satisfies Partial<Recipe>;

export const sharedInput = ({ crop, seconds }: SharedConfig): InputSpec => ({
  modality: 'audio',
  sampleRate: 16000,
  seconds,
  padding: 'end',
  crop,
  frontEnd: { ...frontEnds.atst },
});

export function logMelOf(sample: Sample, name: string): NdArray {
  const x = sample[name];
  if (x) return x;
  throw new DataError(`atst: an input has ${Object.keys(sample).join(', ') || 'nothing'}; expected ${name} [F, T].`);
}

/** Log-mixup-exp with the crop `name` of an earlier input, then random resize crop. x [F, T] */
export async function augmented(
  x: NdArray,
  name: string,
  context: ViewContext,
  draws: { readonly rng: Rng; readonly config: SharedConfig; readonly crop: RandomResizeCropOptions },
): Promise<NdArray> {
  const { rng, config, crop } = draws;
  const earlier = async (k: number): Promise<NdArray | undefined> => (await context.recent(k))?.[name];
  const options = { ratio: config.mixupRatio, memory: config.mixupMemory };
  return randomResizeCrop(await mixup(x, earlier, context.position, rng, options), rng, crop);
}

export interface Student {
  readonly backbone: Atst;
  readonly projector: Layer;
  readonly predictor: Layer;
}

/** The teacher's backbone is what is kept; the student's is what a combination shares. */
export interface AtstModel extends Model {
  readonly backbone: Atst;
  readonly learner: Atst;
  readonly config: SharedConfig;
  readonly student: Student;
  readonly teacher: { readonly backbone: Atst; readonly projector: Layer };
}

/** The teacher begins as a copy of the student, which is the given network where there is one. `chunkFrames`: frames of a crop. */
export function buildModel(
  config: SharedConfig,
  variant: 'clip' | 'frame',
  chunkFrames: number,
  context: BuildContext,
): Omit<AtstModel, 'config'> {
  const { rng } = context;
  const { size, depth, width, heads, dropPath, embedBlocks, projectorHidden, projectionWidth } = config;
  const given = Object.entries({ width, heads, embedBlocks }).filter(([, value]) => value !== undefined);
  // longer crops than the published ones need more positions
  const positions = Math.max(251, 1 + Math.floor(chunkFrames / 4));
  const own = { variant, size, depth, dropPath, positions, chunkFrames, ...Object.fromEntries(given) };
  const backbone = networkOf(context, () => buildAtst({ ...own, ...sharedFields(own, context) }, rng.fork('backbone')));
  const projectorOf = (): Layer =>
    mlp({ widths: [backbone.config['width'] as number, projectorHidden, projectionWidth] }, rng.fork('projector'));
  const projector = projectorOf();
  const predictor = mlp({ widths: [projectionWidth, projectorHidden, projectionWidth] }, rng.fork('predictor'));
  const teacher = { backbone: backbone.clone(), projector: projectorOf() };
  const params = mergeParams(
    prefixed('student.encoder', backbone.params),
    prefixed('student.projector', projector.params),
    prefixed('student.predictor', predictor.params),
  );
  const followers = mergeParams(
    prefixed('teacher.encoder', teacher.backbone.params),
    prefixed('teacher.projector', teacher.projector.params),
  );
  return {
    trainable: trainableOf(params),
    state: mergeParams(buffersOf(params), followers),
    backbone: teacher.backbone,
    learner: backbone,
    student: { backbone, projector, predictor },
    teacher,
  };
}

/**
 * Fields of a given network that this training can do with whatever its own are: how embeddings cut long clips, more positions than crops
 * have, and of Frame a class token, which is seen by the patches and has no loss.
 */
function sharedFields(
  own: { readonly variant: 'clip' | 'frame'; readonly positions: number },
  { backbone }: BuildContext,
): Record<string, unknown> {
  if (backbone?.id !== 'atst') return {};
  const { variant, positions, chunkFrames } = backbone.config as AtstConfig; // of the family by its id
  if (own.variant === 'clip' && variant === 'frame')
    throw new ConfigError('the network to share has no class token, which ATST-Clip trains; atst-frame makes one with classToken=true.'); // prettier-ignore
  return { variant, chunkFrames, positions: Math.max(own.positions, positions) };
}

/** What a view of a network is pooled to before the projector: class tokens, or the masked patches of both views. */
export type Take = (tokens: Tensor) => Tensor;

export interface AtstTerms {
  readonly loss: Scalar;
  /** Of both views, one after the other [2·R, U]. */
  readonly prediction: Tensor;
  readonly projection: Tensor;
}

export interface TermsOptions {
  readonly take: Take;
  readonly rng: Rng;
  /** Valid frames of each row of both views [2·B]. */
  readonly lengths?: Tensor | undefined;
  /** What is hidden from the student [2·B, N]. */
  readonly mask?: Tensor | undefined;
}

/**
 * ½·(BYOL's loss), both views in one batch [2·B, F, T] through either network, batch statistics over both. The teacher trains along:
 * its norms see the batch, and it drops paths with draws of its own.
 */
export function atstTerms({ student, teacher }: AtstModel, views: Tensor, options: TermsOptions): AtstTerms {
  const { take, rng, lengths, mask } = options;
  const call = (name: string) => ({ training: true, rng: rng.fork(name), ...(lengths && { lengths }) });
  const projection = withoutGradient(() =>
    tf.tidy(() => {
      const h = take(teacher.backbone.pass(views, call('teacher')).tokens); // [2·R, D]
      return teacher.projector.forward(h, { training: true });
    }),
  );
  const h = take(student.backbone.pass(views, { ...call('student'), mask }).tokens);
  const z = student.projector.forward(h, { training: true });
  const prediction = student.predictor.forward(z, { training: true }); // [2·R, U]
  return { loss: atstLoss(prediction, projection), prediction, projection };
}

/** ½·[(2 − 2·cos(t₁, s₂)) + (2 − 2·cos(t₂, s₁))], mean over rows; views one after the other [2·R, U]. */
export function atstLoss(prediction: Tensor, projection: Tensor): Scalar {
  const [p1, p2] = tf.split(prediction, 2) as [Tensor, Tensor];
  const [z1, z2] = tf.split(projection, 2) as [Tensor, Tensor];
  return tf.mul(byol({ p1, p2, z1, z2 }), 0.5);
}

/** Spread of directions: near 0 when a network collapses, about 1/√U when it does not. */
export const logsOf = ({ prediction, projection }: AtstTerms): Record<string, Scalar> => ({
  spreadStudent: directionSpread(prediction),
  spreadTeacher: directionSpread(projection),
});

/** Parameters of encoder and projector follow the student; the teacher's running statistics are its own. */
export function moveTeacher({ student, teacher }: AtstModel, decay: number): void {
  emaUpdate(trainableOf(teacher.backbone.params), student.backbone.params, decay);
  emaUpdate(trainableOf(teacher.projector.params), student.projector.params, decay);
}

/** The authors read the schedule after the step is counted: one later than the learning rate's. */
export const decayAfter = ({ index, total }: { index: number; total: number }, base: number): number =>
  byolDecay(index + 1, total, base);

/** Frames of a crop. */
export const framesOf = (seconds: number): number => Math.floor(Math.round(seconds * 16000) / 160) + 1;
