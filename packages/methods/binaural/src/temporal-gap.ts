/** Temporal gap prediction: how long after the first window is the second? Paper and legend in `shared.ts`. */
import { z } from 'zod';
import { networkOf } from '@unlabel/backbones';
import { defineMethod } from '@unlabel/core';
import { presets } from './presets.ts';
import {
  audioNetwork,
  binauralInput,
  buildBinaural,
  classification,
  labelOf,
  partsOf,
  randomStart,
  sharedCard,
  sharedConfig,
  sharedDifferences,
  sharedRecipe,
  windowOf,
  type BinauralModel,
} from './shared.ts';

export const temporalGapConfig = z.strictObject({
  ...sharedConfig,
  seconds: sharedConfig.seconds.default(1),
  /** Silence between the windows, a class each. */
  gaps: z.array(z.number().min(0)).min(2).default([0, 1, 2, 4, 8]).meta({ symbol: 'g', unit: 's' }),
});

/** The first window leaves room for the longest gap whatever the class, so that its place tells nothing; no window crosses an end. */
export const temporalGap = defineMethod<typeof temporalGapConfig, BinauralModel>({
  id: 'temporal-gap',
  card: {
    ...sharedCard,
    title: 'Multi-SSL: temporal gap prediction on binaural sound',
    differences: sharedDifferences,
  },
  config: temporalGapConfig,
  recipe: sharedRecipe,
  presets: {
    ...presets,
    generated: { ...presets.generated, config: { ...presets.generated.config, gaps: [0, 2] } },
    quick: { ...presets.quick, config: { ...presets.quick.config, gaps: [0, 2] } },
    smoke: { ...presets.smoke, config: { ...presets.smoke.config, gaps: [0, 0.3] } },
  },
  accumulates: true,
  input: binauralInput,
  views:
    (config) =>
    (sample, { rng }) => {
      const { audio } = partsOf(sample);
      const samples = (seconds: number): number => Math.round(seconds * config.sampleRate);
      const length = samples(config.seconds);
      const first = randomStart(audio, length, length + samples(Math.max(...config.gaps)), rng);
      const label = rng.int(config.gaps.length);
      const second = first + length + samples(config.gaps[label]!);
      return { audio1: windowOf(audio, first, config), audio2: windowOf(audio, second, config), label: labelOf(label) };
    },
  build(config, context) {
    const backbone = networkOf(context, () => audioNetwork(config, context.rng));
    return buildBinaural(config, context.rng, backbone, { windows: 2, hasPicture: false, classes: config.gaps.length });
  },
  loss: classification,
});
