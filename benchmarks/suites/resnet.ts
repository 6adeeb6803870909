/** ResNet-50: a forward pass in evaluation, and a training step; and making two views of images, beside torchvision. */
import type { Suite } from '../lib/measure.ts';
import { ours, peer } from './sides.ts';

const batch = 16;
const args = ['--batch', String(batch)];

export const resnet50: Suite = {
  name: 'resnet50',
  description: `ResNet-50, 224 × 224, batch ${batch}, float32: forward in evaluation; forward, backward and SGD with momentum of a training step.`,
  works: ['forward', 'step'],
  amounts: { forward: { amount: batch, unit: 'images' }, step: { amount: batch, unit: 'images' } },
  repetitions: 5,
  contenders: async ({ engine, python }) => [
    ours('resnet.ts', engine, args),
    ...peer('PyTorch', 'resnet.py', python, args),
  ],
};

const images = 64;

export const imageViews: Suite = {
  name: 'image-views',
  description: `Two views of ${images} decoded images of 500 × 375, one thread: MoCo v2's crop to 224, colour jitter, grey, blur, flip, normalisation; torchvision on PIL images.`,
  works: ['views'],
  amounts: { views: { amount: 2 * images, unit: 'views' } },
  repetitions: 7,
  contenders: async ({ engine, python }) => [
    ours('image-views.ts', engine, ['--images', String(images)]),
    ...peer('torchvision', 'image_views.py', python, ['--images', String(images)]),
  ],
};
