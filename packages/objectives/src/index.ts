export * from './barlow-twins.ts';
export * from './binary-cross-entropy.ts';
export * from './byol.ts';
export { contrastiveGoldens } from './goldens-contrastive.ts';
export { goldens as objectiveGoldens } from './goldens.ts';
export * from './info-nce.ts';
export * from './nt-xent.ts';
export * from './simsiam.ts';
export * from './tempo-ratio.ts';
