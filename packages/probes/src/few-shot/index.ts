export * from './classifiers.ts';
export * from './episodes.ts';
export * from './few-shot.ts';
export { fewShotGoldens } from './goldens.ts';
export * from './presets.ts';
export * from './summary.ts';
