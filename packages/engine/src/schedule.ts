/**
 * Learning-rate (and decay, momentum) schedules as pure functions of the step, so that a resumed run continues exactly.
 *
 * One formula covers the published variants: DINO's `cosine_scheduler` and SwAV (warm-up ends on its peak), Barlow Twins'
 * `adjust_learning_rate` (warm-up counts step/warmup, so the peak is the step after it), MoCo (per epoch, no warm-up).
 */
import { ConfigError, type Recipe } from '@unlabel/core';

/** Step (from 0) → value. */
export type Schedule = (step: number) => number;

export interface WarmupOptions {
  /** Steps of linear warm-up. Default 0. */
  readonly warmupSteps?: number;
  /** Value at step 0. Default 0. */
  readonly warmupStart?: number;
  /** The last warm-up step has the peak value already (numpy's `linspace`: DINO, SwAV). Default false (Barlow Twins). */
  readonly isPeakInWarmup?: boolean;
}

export interface CosineOptions extends WarmupOptions {
  readonly peak: number;
  /** Value the half cosine goes towards; reached one step after the last. Default 0. */
  readonly final?: number;
  /** Steps in all, warm-up included. */
  readonly steps: number;
}

function withWarmup(after: Schedule, peak: number, options: WarmupOptions): Schedule {
  const { warmupSteps = 0, warmupStart = 0, isPeakInWarmup = false } = options;
  if (!(warmupSteps >= 0)) throw new ConfigError(`schedule: ${warmupSteps} warm-up steps`);
  const span = isPeakInWarmup ? Math.max(1, warmupSteps - 1) : warmupSteps;
  return (step) =>
    step < warmupSteps ? warmupStart + ((peak - warmupStart) * step) / span : after(step - warmupSteps);
}

/** The same value throughout, after an optional warm-up. */
export const constant = (peak: number, options: WarmupOptions = {}): Schedule => withWarmup(() => peak, peak, options);

/** Half a cosine from `peak` to `final` over the steps after the warm-up. Steps beyond the end stay at `final`. */
export function cosine(options: CosineOptions): Schedule {
  const { peak, final = 0, steps, warmupSteps = 0 } = options;
  const span = Math.max(1, steps - warmupSteps);
  const after = (i: number) => final + 0.5 * (peak - final) * (1 + Math.cos((Math.PI * Math.min(i, span)) / span));
  return withWarmup(after, peak, options);
}

/** A straight line from `peak` to `final` over the steps after the warm-up. Steps beyond the end stay at `final`. */
export function linear({ peak, final = 0, steps, warmupSteps = 0, ...options }: CosineOptions): Schedule {
  const span = Math.max(1, steps - warmupSteps);
  const after = (i: number) => peak + ((final - peak) * Math.min(i, span)) / span;
  return withWarmup(after, peak, { ...options, warmupSteps });
}

/**
 * Barlow Twins' pair of rates for weights and for biases: (batch/256)·0.2 and ·0.0048, warm-up of 10 epochs, cosine down to a
 * thousandth (facebookresearch/barlowtwins main.py@8e8d284c).
 */
export function barlowTwinsRates(options: { batchSize: number; epochs: number; stepsPerEpoch: number }): {
  readonly weights: Schedule;
  readonly biases: Schedule;
} {
  const { batchSize, epochs, stepsPerEpoch } = options;
  const base = batchSize / 256;
  const rate = cosine({
    peak: base,
    final: 0.001 * base,
    steps: epochs * stepsPerEpoch,
    warmupSteps: 10 * stepsPerEpoch,
  });
  return { weights: (step) => rate(step) * 0.2, biases: (step) => rate(step) * 0.0048 };
}

/** The learning rate of a recipe over `steps` steps of an epoch of `stepsPerEpoch`, which need not be whole. */
export function scheduleFor(recipe: Recipe, steps: number, stepsPerEpoch: number): Schedule {
  const { batchSize, lrBatchSize = batchSize, warmupEpochs = 0, finalLr = 0, isPeakInWarmup = false } = recipe;
  const warmupSteps = recipe.warmupSteps ?? Math.round(warmupEpochs * stepsPerEpoch);
  const peak = recipe.lr * (batchSize / lrBatchSize);
  if (recipe.schedule === 'constant') return constant(peak, { warmupSteps, isPeakInWarmup });
  const decaying = recipe.schedule === 'cosine' ? cosine : linear;
  return decaying({ peak, final: finalLr, steps, warmupSteps, isPeakInWarmup });
}

/** The weight decay of a recipe that moves it, from step 0 on and not warmed up; undefined where it stays as it is. */
export function weightDecayFor({ weightDecay = 0, finalWeightDecay }: Recipe, steps: number): Schedule | undefined {
  return finalWeightDecay === undefined ? undefined : cosine({ peak: weightDecay, final: finalWeightDecay, steps });
}
