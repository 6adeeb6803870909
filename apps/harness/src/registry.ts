/** The one table of methods. Sorted; imported when asked for, so that start-up stays fast. */
import type { Method, Registry } from '@unlabel/core';

export const methods: Registry<Method> = {
  // methods:begin
  'atst-clip': () => import('@unlabel/atst').then((m) => m.atstClip),
  'atst-frame': () => import('@unlabel/atst').then((m) => m.atstFrame),
  beats: () => import('@unlabel/beats').then((m) => m.beats),
  'delores-m': () => import('@unlabel/delores').then((m) => m.deloresM),
  'delores-s': () => import('@unlabel/delores').then((m) => m.deloresS),
  // methods:end
};
