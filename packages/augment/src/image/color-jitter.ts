/** torchvision's `ColorJitter` on 8-bit images: four changes by random factors, in random order. */
import type { Rng } from '@unlabel/core';
import type { RgbImage } from '@unlabel/image';
import { adjustBrightness, adjustContrast, adjustSaturation } from './enhance.ts';
import { adjustHue } from './hue.ts';

/** How far each factor may go from 1 (hue: from 0, in turns of the circle, at most 0.5). */
export interface ColorJitterOptions {
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
  readonly hue: number;
}

const changes = [adjustBrightness, adjustContrast, adjustSaturation, adjustHue];

/** The changes 0 brightness, 1 contrast, 2 saturation, 3 hue in `order` with their factors. */
export const jitterBy = (image: RgbImage, order: Iterable<number>, factors: readonly number[]): RgbImage =>
  [...order].reduce((held, i) => changes[i]!(held, factors[i]!), image);

/** Factors uniform in max(0, 1 − d) … 1 + d, hue in −d … d; a change of 0 is left out. */
export function colorJitter(image: RgbImage, rng: Rng, options: ColorJitterOptions): RgbImage {
  const { brightness, contrast, saturation, hue } = options;
  const spans = [brightness, contrast, saturation, hue];
  const order = rng.permutation(4).filter((i) => spans[i]! > 0);
  const factors = spans.map((d, i) => (i === 3 ? rng.range(-d, d) : rng.range(Math.max(0, 1 - d), 1 + d)));
  return jitterBy(image, order, factors);
}
