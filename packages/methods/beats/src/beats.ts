/**
 * BEATs: iterations of masked prediction, each but the first on the codes of a tokenizer distilled from the network before (Chen et al., arXiv
 * 2212.09058v1, Fig. 1). One run, resumable between and inside its stages.
 */
import { z } from 'zod';
import { ConfigError, defineMethod, type Method, type Stage } from '@unlabel/core';
import { fineTune as fineTuneMethod } from './fine-tune.ts';
import { maskedPrediction, maskedPredictionConfig, type MaskedPrediction } from './masked-prediction.ts';
import { sharedCard } from './shared.ts';
import { tokenizerDistillation } from './tokenizer.ts';

export const beatsMethodConfig = z.strictObject({
  /** Iterations of masked prediction; from the second on a tokenizer is distilled before each. */
  iterations: z.int().min(1).max(10).default(3).meta({ paper: '§3.1' }),
  /** The + of iteration 3+: the last tokenizer is taught by the network before it, fine-tuned with labels. */
  plus: z.boolean().default(false).meta({ paper: '§3.2' }),
  /** The last network is fine-tuned with labels. */
  fineTune: z.boolean().default(false).meta({ paper: '§3.4' }),
  /** Classes, for `plus` and `fineTune`; items name theirs in an index's `labels`, or by the folder they lie in. */
  vocabulary: z.array(z.string().min(1)).default([]),
  labelling: z.enum(['multilabel', 'multiclass']).default('multilabel'),
  /** Preset of every stage; its fields are set with `stages.<id>.<field>`. */
  size: z.enum(['paper', 'openbeats', 'small', 'smoke']).default('paper'),
});
export type BeatsMethodConfig = z.output<typeof beatsMethodConfig>;

// a method of a config of its own is a method of any
const [prediction, tokenizer, fineTuning] = [maskedPrediction, tokenizerDistillation, fineTuneMethod] as unknown as [Method, Method, Method]; // prettier-ignore

/** Config and recipe of a part by its preset; `paper` where it has none of the name. */
function presetOf({ presets }: Method, size: BeatsMethodConfig['size']): Pick<Stage, 'config' | 'recipe'> {
  const { config = {}, recipe = {} } = presets[size] ?? {};
  return { config, recipe };
}

/** `iter1`, `tokenizer2`, `iter2`, `tokenizer3`, `iter3`, …; `fine-tune2` before `tokenizer3` with `plus`, and `fine-tune3` last. */
export function beatsStages({ iterations, size, plus, fineTune, vocabulary, labelling }: BeatsMethodConfig): Stage[] {
  const needsLabels = plus || fineTune;
  if (needsLabels && vocabulary.length < 2)
    throw new ConfigError('beats: plus and fineTune train with labels; name the classes in vocabulary.');
  if (plus && iterations < 2) throw new ConfigError('beats: plus needs two iterations or more.');
  const tuned = (n: number): Stage => {
    const { config, recipe } = presetOf(fineTuning, size);
    return {
      id: `fine-tune${n}`,
      method: fineTuning,
      config: { ...config, vocabulary, labelling },
      recipe: recipe!,
      upstream: [`iter${n}`],
    };
  };
  const iteration = (n: number): Stage[] => {
    const masked = { id: `iter${n}`, method: prediction, ...presetOf(prediction, size) };
    // a network that is given teaches the first tokenizer in its place
    if (n === 1) return [{ ...masked, isReplaceable: true }];
    const isTaughtByLabels = plus && n === iterations;
    const own = presetOf(tokenizer, size);
    return [
      ...(isTaughtByLabels ? [tuned(n - 1)] : []),
      {
        id: `tokenizer${n}`,
        method: tokenizer,
        config: isTaughtByLabels ? { ...own.config, target: 'logits' } : own.config,
        // paper §4.1: 5e-5 with a self-supervised teacher, 5e-4 with a supervised one
        recipe: isTaughtByLabels && size === 'paper' ? { ...own.recipe, lr: 5e-4 } : own.recipe!,
        upstream: [isTaughtByLabels ? `fine-tune${n - 1}` : `iter${n - 1}`],
      },
      { ...masked, upstream: [`tokenizer${n}`] },
    ];
  };
  const all = Array.from({ length: iterations }, (_, i) => iteration(i + 1)).flat();
  return fineTune ? [...all, tuned(iterations)] : all;
}

/** What iteration 1 is configured to be. */
const first = ({ size }: BeatsMethodConfig) => maskedPredictionConfig.parse(presetOf(prediction, size).config); // prettier-ignore

export const beats = defineMethod<typeof beatsMethodConfig, MaskedPrediction>({
  id: 'beats',
  card: {
    ...sharedCard,
    title: 'BEATs: audio pre-training with acoustic tokenizers',
    differences: [
      'Each stage starts from a new network, as the paper describes; what it does with the rates of stages is not published.',
    ],
  },
  config: beatsMethodConfig,
  recipe: maskedPrediction.recipe,
  presets: {
    paper: { note: 'Three iterations at the paper’s size; 400 000 steps a stage.' },
    small: { note: 'Three iterations of a small network in minutes on two cores.', config: { size: 'small' } },
    smoke: { note: 'Two iterations in seconds on a CPU; for tests.', config: { size: 'smoke', iterations: 2 } },
  },
  stages: beatsStages,
  // with stages these are not called; they are those of iteration 1
  input: (config) => maskedPrediction.input(first(config)),
  views: (config) => maskedPrediction.views(first(config)),
  build: (config, context) => maskedPrediction.build(first(config), context),
  loss: (model, batch, step) => maskedPrediction.loss(model, batch, step),
});
