/** How networks of ImageNet take images: torchvision's evaluation. */
import type { ImageInput } from '@unlabel/core';

/** Shorter side 256, the middle 224 × 224, ImageNet's mean and deviation. `input` of a model config. */
export const imageNetInput = (interpolation: ImageInput['interpolation']): Readonly<Record<string, unknown>> => ({
  modality: 'image',
  image: {
    size: 224,
    resize: 256,
    interpolation,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  } satisfies ImageInput,
});
