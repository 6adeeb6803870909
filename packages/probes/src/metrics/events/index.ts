export * from './event-metric.ts';
export * from './goldens.ts';
export * from './median-filter.ts';
export * from './post-processing.ts';
export * from './table.ts';
