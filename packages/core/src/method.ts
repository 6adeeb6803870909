/**
 * The contract of a self-supervised method. A method package is data and pure functions: no training loop, file access,
 * printing, argument parsing or clock. `docs/design.md` shows which hook carries what.
 */
import type { z } from 'zod';
import type { Backbone } from './backbone.ts';
import type { Card } from './card.ts';
import type { NdArray, Sample } from './nd-array.ts';
import type { Rng } from './rng.ts';
import type { Batch, Params, Scalar } from './tensor.ts';

/** Semitones, or the least and the most of a range to draw from. */
export type Varispeed = number | readonly [low: number, high: number];

/** Optimiser, schedule and length of the published recipe; `--set recipe.lr=…` overrides. */
export interface Recipe {
  readonly optimizer: 'sgd' | 'lars' | 'adamw';
  /** Peak learning rate. */
  readonly lr: number;
  /** Batch size that `lr` is stated for: the peak is lr·batchSize/lrBatchSize. Default: lr as it stands. */
  readonly lrBatchSize?: number;
  /** Rate that the cosine falls to, whatever the batch size. Default 0. */
  readonly finalLr?: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  /** Weight decay goes to this along half a cosine. Default: it stays as it is. */
  readonly finalWeightDecay?: number;
  /** Extra options of the optimiser (`trustCoefficient`, `beta2`, …). */
  readonly options?: Readonly<Record<string, number | boolean>>;
  readonly schedule: 'constant' | 'cosine' | 'linear';
  /** Epochs of linear warm-up. */
  readonly warmupEpochs?: number;
  /** Steps of it, in place of `warmupEpochs`. */
  readonly warmupSteps?: number;
  /** The last step of the warm-up has the peak rate already (DINO, ATST). Default: the first step after it. */
  readonly isPeakInWarmup?: boolean;
  readonly batchSize: number;
  readonly epochs: number;
  /** Overrides `epochs` when set. */
  readonly steps?: number;
  /** Clip the global gradient norm. */
  readonly clipNorm?: number;
  /** A batch goes through the network in so many parts, whose gradients are averaged: less memory. Default 1. */
  readonly accumulate?: number;
  /**
   * Every recording is also an item when played so many semitones higher (above 0) or lower, faster or slower by as much: [-4, -2, 2, 4]
   * makes five of one. Where a range stands, [[-5, -3], [3, 5]], each recording has a draw of its own from the seed. Audio methods only.
   */
  readonly varispeed?: readonly Varispeed[];
}

export interface Model {
  /** What the optimiser moves. */
  readonly trainable: Params;
  /** What a checkpoint holds besides: running statistics, target, queue, center. */
  readonly state: Params;
  /** What is kept after pre-training. Its parameters appear in `trainable` and `state` too. */
  readonly backbone: Backbone;
  /** The network that the gradient moves, where another is kept (ATST keeps the student's teacher): what is shared with other methods. */
  readonly learner?: Backbone;
}

/** The network that the gradient moves. */
export const learnerOf = ({ learner, backbone }: Model): Backbone => learner ?? backbone;

export interface Step {
  /** Optimiser steps done so far. */
  readonly index: number;
  /** Steps of the whole run, for schedules of temperature, decay and the like. */
  readonly total: number;
  readonly epoch: number;
  /** Forked from (seed, step): the same in a resumed run. */
  readonly rng: Rng;
}

/** What a model is built from besides its config. */
export interface BuildContext {
  readonly rng: Rng;
  /**
   * Trained networks of earlier stages, frozen, by stage id (tokenizer, teacher, previous column). They are loaded for this stage
   * alone and freed after it; their variables are not trainable, so `trainableOf` leaves them out.
   */
  readonly upstream?: Readonly<Record<string, Backbone>>;
  /**
   * Everything the last checkpoint of the stages in `Stage.state` holds (heads, queues, codebooks), by stage id, then by name in
   * `Model.trainable` or `Model.state`, in torch's layout.
   */
  readonly upstreamState?: Readonly<Record<string, Readonly<Record<string, NdArray>>>>;
  /**
   * The network to train instead of a new one: shared with another method, or to go on with (`pretrain --from`). A method takes it
   * through `networkOf` of `@unlabel/backbones`; those that don't can neither be combined with others nor start from a network.
   */
  readonly backbone?: Backbone;
}

/** What a view function may draw on. All of it is a function of (seed, position), so a resumed run sees the same. */
export interface ViewContext {
  readonly rng: Rng;
  /** The input k positions earlier in the order of training (k ≥ 1), before augmentation; undefined before the start. */
  recent(k: number): Promise<Sample | undefined>;
  /** Position of this input since the start of training. */
  readonly position: number;
  /** What `DatasetPass.setTargets` has set for this item (cluster or tokenizer labels), when it has. */
  readonly targets?: NdArray;
}

/** One crop of one item → the named arrays of one row of the batch (`view1`, `view2`, `mask`, …). Runs in worker threads. */
export type Views = (sample: Sample, context: ViewContext) => Promise<Sample> | Sample;

/** What a method takes in, as data: the worker decodes, resamples, crops and applies the front-end. */
export interface InputSpec {
  readonly modality: Card['modality'];
  /** Hz; audio is mixed down and resampled to it. */
  readonly sampleRate?: number;
  /** Channels kept: 1 mono (default), 2 binaural. */
  readonly channels?: number;
  /** Seconds of a random crop; absent: the whole item. */
  readonly seconds?: number;
  /** Independent crops of an item: arrays `logMel`, `logMel2`, … (`audio`, `audio2`, …). Default 1. */
  readonly crops?: number;
  /** Where an item shorter than a crop gets its zeros: half at either end (default), or all at its end. */
  readonly padding?: 'center' | 'end';
  /** A front-end of `@unlabel/audio` as data; absent: views get the waveform. */
  readonly frontEnd?: Readonly<Record<string, unknown>>;
  /** Front-end that mono clips are embedded with, of methods whose views get the waveform; with two channels, for either. Default: `frontEnd`. */
  readonly embedFrontEnd?: Readonly<Record<string, unknown>>;
  /** Crop before (`waveform`: exact, computed at each access) or after (`spectrogram`: cached) the front-end. */
  readonly crop?: 'waveform' | 'spectrogram';
  /**
   * Vocabulary of a method that trains with labels: samples have `labels [K]` besides, 1 for each label of the item and 0 elsewhere. An
   * item's labels are its index line's `labels`, or the name of the folder it lies in.
   */
  readonly labels?: readonly string[];
  /** Fixed statistics subtracted and divided out after the front-end; `dataset`: measured once over the training set. */
  readonly normalize?: 'dataset' | { readonly mean: number; readonly std: number };
  /** Image methods: what they take in. */
  readonly image?: ImageInput;
}

/** How images come to a network. Views get `image [H, W, 3]` of 0…1 and normalise; evaluation resizes, crops and normalises. */
export interface ImageInput {
  /** Side in pixels of the square that the network sees. */
  readonly size: number;
  /** Evaluation: the shorter side is brought to this, then the middle `size` × `size` is cut out. */
  readonly resize: number;
  readonly interpolation: 'bilinear' | 'bicubic';
  /** Of values 0…1, by channel. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  /** Training: images are brought to this shorter side once and kept as bytes; absent: decoded as stored at each access. */
  readonly cacheSide?: number;
}

/** The whole training set, for work between epochs or stages (clustering, tokenizer labels). */
export interface DatasetPass {
  readonly size: number;
  /**
   * Batches of un-augmented inputs in the order of the set, with their item indices; the last may be smaller. Of an item longer than
   * `InputSpec.seconds` it is one crop, the same in every pass. The caller disposes the tensors.
   */
  batches(batchSize: number): AsyncIterable<{ readonly batch: Batch; readonly items: readonly number[] }>;
  /**
   * Targets every later `ViewContext` of the item sees, until they are set again; saved with the checkpoint. Those of one set have one
   * rank; their sizes may differ.
   */
  setTargets(item: number, targets: NdArray): void;
}

export interface Method<Schema extends z.ZodObject = z.ZodObject, M extends Model = Model> {
  readonly id: string;
  readonly card: Card;
  /** z.strictObject; every field has a default, and the defaults are the paper's. */
  readonly config: Schema;
  readonly recipe: Recipe;
  /** Overrides of config and recipe by name. `paper` is {}; `smoke` ends in seconds on a CPU. */
  readonly presets: Readonly<Record<string, Preset<Schema>>>;
  input(config: z.output<Schema>): InputSpec;
  views(config: z.output<Schema>): Views;
  build(config: z.output<Schema>, context: BuildContext): M;
  loss(model: M, batch: Batch, step: Step): { readonly loss: Scalar; readonly logs: Readonly<Record<string, Scalar>> };
  /** Before the loss, outside the gradient (MoCo moves its key network first). */
  beforeStep?(model: M, step: Step): void;
  /** After the optimiser: EMA, queue, center. `batch` is still alive. */
  afterStep?(model: M, batch: Batch, step: Step): void;
  /**
   * Before each epoch, the first (0) too: cluster the set, refresh labels. May move the model. The step in which an epoch begins is the
   * first whose first row belongs to it. A run killed in it repeats it from the same model, with the same `rng`.
   */
  betweenEpochs?(model: M, epoch: number, data: DatasetPass, rng: Rng): Promise<void>;
  /**
   * Stages that run one after the other in one run directory, each a method with its config; the network of the last is the run's.
   * `input`, `views`, `build` and `loss` of a method with stages are not called. Absent: one stage, this method.
   */
  stages?(config: z.output<Schema>): readonly Stage[];
  /** The loss is a mean over rows and keeps nothing of a batch for `afterStep`: `recipe.accumulate` may be above 1. */
  readonly accumulates?: boolean;
}

export interface Preset<Schema extends z.ZodObject = z.ZodObject> {
  /** What it is for, what it costs and what it scored, in a sentence or two. */
  readonly note: string;
  readonly config?: Partial<z.input<Schema>>;
  readonly recipe?: Partial<Recipe>;
}

export interface Stage {
  /** Lower-case letters, digits, `-`; names the folder `stages/<id>` of the run. */
  readonly id: string;
  /** Without stages of its own. */
  readonly method: Method;
  /** Fields that differ from the method's defaults. `--set stages.<id>.<field>=…` overrides. */
  readonly config: Readonly<Record<string, unknown>>;
  /**
   * Fields that differ from the method's recipe. The preset's recipe and `--set recipe.…` override them in every stage,
   * `--set stages.<id>.recipe.…` in one. With `steps: 0` a stage keeps what `build` makes.
   */
  readonly recipe?: Partial<Recipe>;
  /** Ids of earlier stages whose backbones this one receives as `BuildContext.upstream`. */
  readonly upstream?: readonly string[];
  /** Ids of earlier stages whose last checkpoint this one receives as `BuildContext.upstreamState`. */
  readonly state?: readonly string[];
  /**
   * Of the first stage: a network that is given (`pretrain --from`) takes the place of what this stage would train, and is handed on in
   * its name. Where it is not set, the stage starts from the network (`BuildContext.backbone`).
   */
  readonly isReplaceable?: boolean;
  /**
   * Earlier stages whose own loss is measured along this one, with the network as it stands then and the heads as that stage left
   * them: what this stage forgets. `method` is the one whose loss it is; its state has the names of that stage's.
   */
  readonly watch?: readonly { readonly stage: string; readonly method: Method }[];
}

/** Types only: returns its argument frozen. */
export function defineMethod<Schema extends z.ZodObject, M extends Model>(
  method: Method<Schema, M>,
): Method<Schema, M> {
  return Object.freeze(method);
}
