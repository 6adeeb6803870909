/** Foreground alignment: is the sound of the moment of the picture, or of another? Paper and legend in `shared.ts`. */
import { z } from 'zod';
import { networkOf } from '@unlabel/backbones';
import { DataError, defineMethod, type Rng } from '@unlabel/core';
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

export const foregroundAlignmentConfig = z.strictObject({
  ...sharedConfig,
  /** Seconds between sound and picture of a negative: least and most, either way. */
  offset: z.tuple([z.number().positive(), z.number().positive()]).default([0.5, 2]).meta({ symbol: 'Δ', unit: 's' }),
});

/** Label 1: together. The window is drawn before the label, so that the sound alone tells nothing; so is the sign of the offset. */
export const foregroundAlignment = defineMethod<typeof foregroundAlignmentConfig, BinauralModel>({
  id: 'foreground-alignment',
  card: {
    ...sharedCard,
    title: 'Multi-SSL: temporal alignment of foreground and binaural sound',
    differences: [...sharedDifferences, 'Negatives are of the same scene only.'],
  },
  config: foregroundAlignmentConfig,
  recipe: sharedRecipe,
  presets: {
    ...presets,
    generated: { ...presets.generated, recipe: { ...presets.generated.recipe, lr: 1e-2 } },
    smoke: { ...presets.smoke, config: { ...presets.smoke.config, offset: [0.3, 0.8] } },
  },
  accumulates: true,
  input: binauralInput,
  views:
    (config) =>
    (sample, { rng }) => {
      const { audio, frames } = partsOf(sample);
      const [length, size] = [Math.round(config.seconds * config.sampleRate), audio.shape[1]!];
      const start = randomStart(audio, length, 0, rng);
      const middle = start + length / 2;
      const isTogether = rng.chance(0.5);
      const moment = isTogether ? middle : middle + offsetWithin(middle, size, config, rng);
      return {
        audio1: windowOf(audio, start, config),
        picture: pictureOf(frames, moment / size, config),
        label: labelOf(Number(isTogether)),
      };
    },
  build(config, context) {
    const backbone = networkOf(context, () => audioNetwork(config, context.rng));
    return buildBinaural(config, context.rng, backbone, { windows: 1, hasPicture: true, classes: 2 });
  },
  loss: classification,
});

/** Samples from `middle` to another moment of the scene; the other way where the scene ends first. */
function offsetWithin(
  middle: number,
  size: number,
  { offset, sampleRate }: z.output<typeof foregroundAlignmentConfig>,
  rng: Rng,
): number {
  const shift = rng.range(offset[0], offset[1]) * sampleRate * (rng.chance(0.5) ? 1 : -1);
  const isInside = (place: number): boolean => place >= 0 && place < size;
  if (isInside(middle + shift)) return shift;
  if (isInside(middle - shift)) return -shift;
  throw new DataError(
    `foreground-alignment: a scene of ${size} samples has no moment ${Math.abs(shift) / sampleRate} s away. Set offset lower.`,
  );
}
