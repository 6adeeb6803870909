/**
 * What the parts of BEATs share: input, the encoder's fields, card and recipe.
 *
 * Chen et al., "BEATs: Audio Pre-Training with Acoustic Tokenizers", ICML 2023, arXiv 2212.09058v1. The authors published networks
 * and tokenizers for inference (microsoft/unilm beats@768a3c8, MIT), no training code. What the paper leaves open follows OpenBEATs
 * (Bharadwaj et al., 2025; its values in the preset `openbeats`), written from a description.
 *
 * Legend: B rows, F mel bands, T frames, N patches, D width, K codes.
 */
import { z } from 'zod';
import { frontEnds } from '@unlabel/audio';
import { beatsFields, type BeatsConfig } from '@unlabel/backbones';
import { DataError, type InputSpec, type Recipe, type Views } from '@unlabel/core';

const { classes: _classes, layerGradient: _layerGradient, bands: _bands, ...encoderFields } = beatsFields;

/** Fields that every part has. */
export const sharedConfig = {
  seconds: z.number().positive().default(10).meta({ unit: 's', paper: '§4.1' }),
  /** Where the random crop is taken: exact from the waveform at each access, or from a cached spectrogram. */
  crop: z.enum(['waveform', 'spectrogram']).default('waveform'),
  ...encoderFields,
};
const schema = z.strictObject(sharedConfig);
export type SharedConfig = z.output<typeof schema>;

/** The network's part of a config. */
export const encoderOf = (config: SharedConfig): Partial<BeatsConfig> =>
  Object.fromEntries(Object.keys(encoderFields).map((name) => [name, config[name as keyof SharedConfig]]));

export const sharedCard = {
  authors: 'Sanyuan Chen, Yu Wu, Chengyi Wang, Shujie Liu, Daniel Tompkins, Zhuo Chen, Furu Wei',
  year: 2023,
  paper: 'https://arxiv.org/abs/2212.09058v1',
  code: 'microsoft/unilm/beats@768a3c873f598bb9b4d4dfb9267b099e35f8fe56 (inference only)',
  licence: 'MIT',
  modality: 'audio',
} as const;

/** Kaldi bands of a random crop, normalised by AudioSet's statistics as the authors' constants say. */
export const beatsInput = ({ seconds, crop }: SharedConfig): InputSpec => ({
  modality: 'audio',
  sampleRate: 16000,
  seconds,
  crop,
  frontEnd: { ...frontEnds.beats },
});

/** The bands as they are: pre-training augments nothing. */
export const beatsViews: Views = (sample) => {
  const x = sample['logMel'];
  if (!x)
    throw new DataError(`beats: an input has ${Object.keys(sample).join(', ') || 'nothing'}; expected bands [F, T].`);
  return { x };
};

/** 400 000 steps of about 560 clips of 10 s; AdamW, linear warm-up and decay (paper §4.1; warm-up and betas as BEATs' Table 5). */
export const paperRecipe: Recipe = {
  optimizer: 'adamw',
  lr: 5e-4,
  weightDecay: 0.01,
  options: { beta2: 0.98 },
  schedule: 'linear',
  warmupSteps: 32_000,
  batchSize: 560,
  epochs: 1,
  steps: 400_000,
};

/** A small network for the embedded suite. */
export const smallNetwork = {
  crop: 'spectrogram',
  seconds: 0.98,
  patchWidth: 64,
  layers: 3,
  width: 160,
  hidden: 320,
  heads: 4,
  positionKernel: 32,
  positionGroups: 8,
  buckets: 64,
  maxDistance: 200,
  dropout: 0,
  attentionDropout: 0,
  inputDropout: 0,
  layerDrop: 0,
  embedLayers: 3, // the last predicts codes, the first two still tell what it lets go
} as const;

/** A network for tests. */
export const smokeNetwork = {
  ...smallNetwork,
  seconds: 0.65,
  patchWidth: 16,
  layers: 1,
  width: 24,
  hidden: 48,
  heads: 2,
  positionKernel: 8,
  positionGroups: 2,
  buckets: 16,
  maxDistance: 32,
  embedLayers: 1,
} as const;
