/** The table of upstreams, the most particular first: a file is taken for the first whose signature it has. */
import { atst } from './atst.ts';
import { audioNtt, byolA, byolS, delores } from './audio-ntt.ts';
import { barlowTwins } from './barlow-twins.ts';
import { beats, beatsTokenizer } from './beats.ts';
import { densecl } from './densecl.ts';
import { dino, dinoResnet } from './dino.ts';
import { equivariantTempo } from './equivariant-tempo.ts';
import type { KeyMap } from './key-map.ts';
import { moco } from './moco.ts';
import { mtSlvr } from './mt-slvr.ts';
import { sit } from './sit.ts';
import { ssl4eo } from './ssl4eo.ts';
import { swav } from './swav.ts';
import { torchvision } from './torchvision.ts';
import { vicreg } from './vicreg.ts';
import { wav2vec2Conformer, wav2vec2Fairseq } from './wav2vec2.ts';
import { wavlm } from './wavlm.ts';

export const keyMaps: readonly KeyMap[] = [
  beatsTokenizer,
  beats,
  atst,
  wav2vec2Conformer,
  wav2vec2Fairseq,
  wavlm,
  audioNtt,
  byolA,
  byolS,
  delores,
  equivariantTempo,
  sit,
  dino,
  moco,
  densecl,
  mtSlvr,
  barlowTwins,
  dinoResnet,
  swav,
  vicreg,
  ssl4eo,
  torchvision,
];
