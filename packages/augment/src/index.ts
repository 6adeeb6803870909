export * from './audio/mixup.ts';
export * from './audio/random-crop.ts';
export * from './audio/random-linear-fader.ts';
export * from './audio/random-resize-crop.ts';
export * from './audio/spec-augment.ts';
export * from './goldens.ts';
