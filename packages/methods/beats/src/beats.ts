/**
 * BEATs: iterations of masked prediction, each but the first on the codes of a tokenizer distilled from the network before (Chen et al., arXiv
 * 2212.09058v1, Fig. 1). One run, resumable between and inside its stages.
 */
import { z } from 'zod';
import { defineMethod, type Method, type Stage } from '@unlabel/core';
import { maskedPrediction, maskedPredictionConfig, type MaskedPrediction } from './masked-prediction.ts';
import { sharedCard } from './shared.ts';
import { tokenizerDistillation } from './tokenizer.ts';

export const beatsMethodConfig = z.strictObject({
  /** Iterations of masked prediction; from the second on a tokenizer is distilled before each. */
  iterations: z.int().min(1).max(10).default(3).meta({ paper: '§3.1' }),
  /** Preset of every stage; its fields are set with `stages.<id>.<field>`. */
  size: z.enum(['paper', 'openbeats', 'small', 'smoke']).default('paper'),
});
export type BeatsMethodConfig = z.output<typeof beatsMethodConfig>;

/** Config and recipe of a part by its preset; `paper` where it has none of the name. */
function presetOf({ presets }: Method, size: BeatsMethodConfig['size']): Pick<Stage, 'config' | 'recipe'> {
  const { config = {}, recipe = {} } = presets[size] ?? {};
  return { config, recipe };
}

/** `iter1`, `tokenizer2`, `iter2`, `tokenizer3`, `iter3`, … */
export function beatsStages({ iterations, size }: BeatsMethodConfig): Stage[] {
  // a method of its own config is a method of any
  const [prediction, tokenizer] = [maskedPrediction, tokenizerDistillation] as unknown as [Method, Method];
  return Array.from({ length: iterations }, (_, i): Stage[] => {
    const n = i + 1;
    const iteration = { id: `iter${n}`, method: prediction, ...presetOf(prediction, size) };
    if (n === 1) return [iteration];
    return [
      { id: `tokenizer${n}`, method: tokenizer, ...presetOf(tokenizer, size), upstream: [`iter${n - 1}`] },
      { ...iteration, upstream: [`tokenizer${n}`] },
    ];
  }).flat();
}

/** What iteration 1 is configured to be. */
const first = ({ size }: BeatsMethodConfig) => maskedPredictionConfig.parse(presetOf(maskedPrediction as unknown as Method, size).config); // prettier-ignore

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
