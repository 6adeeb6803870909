export * from './goldens.ts';
export * from './metrics/metric.ts';
export * from './metrics/table.ts';
export * from './normal.ts';
