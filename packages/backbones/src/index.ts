import type { BackboneFamily } from '@unlabel/core';
import { atst } from './atst.ts';
import { audioNtt } from './audio-ntt.ts';
import { beats } from './beats.ts';
import { beatsTokenizer } from './beats-tokenizer.ts';
import { binauralNet } from './binaural-net.ts';
import { concatFamily } from './concat.ts';
import { mtSlvrResnet } from './mt-slvr-resnet.ts';
import { progressiveFamily } from './progressive.ts';
import { resnet } from './resnet.ts';
import { tempoTcn } from './tempo-tcn.ts';
import { vit } from './vit.ts';

export * from './atst.ts';
export * from './audio-ntt-names.ts';
export * from './audio-ntt.ts';
export * from './beats-encoder.ts';
export * from './beats-tokenizer.ts';
export * from './beats.ts';
export * from './binaural-net.ts';
export { concat } from './concat.ts';
export { goldens as backboneGoldens } from './goldens.ts';
export { atstGoldens } from './goldens-atst.ts';
export { beatsGoldens } from './goldens-beats.ts';
export { goldenImage, imageGoldens, readImage } from './goldens-image.ts';
export { tempoGoldens } from './goldens-tempo.ts';
export * from './mt-slvr-resnet.ts';
export * from './network-of.ts';
export { progressive } from './progressive.ts';
export * from './resnet.ts';
export { stageTaps, tapStage, type StageTap } from './stage-tap.ts';
export * from './tempo-tcn.ts';
export * from './vit.ts';

/** Every family by id. */
export const backboneFamilies: Readonly<Record<string, BackboneFamily>> = {
  atst,
  'audio-ntt': audioNtt,
  beats,
  'beats-tokenizer': beatsTokenizer,
  'binaural-net': binauralNet,
  concat: concatFamily((id) => backboneFamilies[id]),
  progressive: progressiveFamily((id) => backboneFamilies[id]),
  resnet,
  'resnet-adapters': mtSlvrResnet,
  'tempo-tcn': tempoTcn,
  vit,
};
