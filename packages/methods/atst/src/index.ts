export { atstClip, atstClip as default } from './atst-clip.ts';
export { atstFrame } from './atst-frame.ts';
export { checkpoints } from './checkpoints.ts';
export { goldens as atstMethodGoldens } from './goldens.ts';
