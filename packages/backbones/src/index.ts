import type { BackboneFamily } from '@unlabel/core';
import { audioNtt } from './audio-ntt.ts';

export * from './audio-ntt-names.ts';
export * from './audio-ntt.ts';
export { goldens as backboneGoldens } from './goldens.ts';

/** Every family by id. */
export const backboneFamilies: Readonly<Record<string, BackboneFamily>> = { 'audio-ntt': audioNtt };
