export * from './barlow-twins.ts';
export * from './byol.ts';
export { goldens as objectiveGoldens } from './goldens.ts';
export * from './info-nce.ts';
export * from './tempo-ratio.ts';
