/** Spatial alignment: do the ears belong to the picture, or are they swapped? Paper and legend in `shared.ts`. */
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
  pictureOf,
  randomStart,
  sharedCard,
  sharedConfig,
  sharedDifferences,
  sharedRecipe,
  windowOf,
  type BinauralModel,
} from './shared.ts';

export const spatialAlignmentConfig = z.strictObject(sharedConfig);

/** Label 1: swapped. Ears and picture are mirrored together in half of the rows, so that neither tells the label alone. */
export const spatialAlignment = defineMethod<typeof spatialAlignmentConfig, BinauralModel>({
  id: 'spatial-alignment',
  card: {
    ...sharedCard,
    title: 'Multi-SSL: spatial alignment of binaural sound and picture',
    differences: sharedDifferences,
  },
  config: spatialAlignmentConfig,
  recipe: sharedRecipe,
  presets,
  accumulates: true,
  input: binauralInput,
  views:
    (config) =>
    (sample, { rng }) => {
      const { audio, frames } = partsOf(sample);
      const length = Math.round(config.seconds * config.sampleRate);
      const start = randomStart(audio, length, 0, rng);
      const [isSwapped, isMirrored] = [rng.chance(0.5), rng.chance(0.5)];
      return {
        audio1: windowOf(audio, start, config, isSwapped !== isMirrored),
        picture: pictureOf(frames, (start + length / 2) / audio.shape[1]!, config, isMirrored),
        label: labelOf(Number(isSwapped)),
      };
    },
  build(config, context) {
    const backbone = networkOf(context, () => audioNetwork(config, context.rng));
    return buildBinaural(config, context.rng, backbone, { windows: 1, hasPicture: true, classes: 2 });
  },
  loss: classification,
});
