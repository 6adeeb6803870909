/** The one table of methods. Sorted; imported when asked for, so that start-up stays fast. */
import type { Method, Registry } from '@unlabel/core';

export const methods: Registry<Method> = {
  // methods:begin
  'atst-clip': () => import('@unlabel/atst').then((m) => m.atstClip),
  'atst-frame': () => import('@unlabel/atst').then((m) => m.atstFrame),
  'barlow-twins': () => import('@unlabel/barlow-twins').then((m) => m.barlowTwinsMethod),
  beats: () => import('@unlabel/beats').then((m) => m.beats),
  byol: () => import('@unlabel/byol').then((m) => m.byolMethod),
  'delores-m': () => import('@unlabel/delores').then((m) => m.deloresM),
  'delores-s': () => import('@unlabel/delores').then((m) => m.deloresS),
  densecl: () => import('@unlabel/densecl').then((m) => m.densecl),
  'foreground-alignment': () => import('@unlabel/binaural').then((m) => m.foregroundAlignment),
  moco: () => import('@unlabel/moco').then((m) => m.moco),
  'mt-slvr': () => import('@unlabel/mt-slvr').then((m) => m.mtSlvr),
  simclr: () => import('@unlabel/simclr').then((m) => m.simclr),
  'spatial-alignment': () => import('@unlabel/binaural').then((m) => m.spatialAlignment),
  'temporal-gap': () => import('@unlabel/binaural').then((m) => m.temporalGap),
  // methods:end
};
