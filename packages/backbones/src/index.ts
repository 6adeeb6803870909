import type { BackboneFamily } from '@unlabel/core';
import { audioNtt } from './audio-ntt.ts';
import { resnet } from './resnet.ts';

export * from './audio-ntt-names.ts';
export * from './audio-ntt.ts';
export { goldens as backboneGoldens } from './goldens.ts';
export { imageGoldens } from './goldens-image.ts';
export * from './resnet.ts';

/** Every family by id. */
export const backboneFamilies: Readonly<Record<string, BackboneFamily>> = { 'audio-ntt': audioNtt, resnet };
