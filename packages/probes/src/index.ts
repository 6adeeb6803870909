export * from './embeddings.ts';
export * from './goldens.ts';
export * from './linear/linear.ts';
export type { PredictionType } from './linear/loss.ts';
export * from './metrics/metric.ts';
export * from './metrics/table.ts';
export * from './normal.ts';
