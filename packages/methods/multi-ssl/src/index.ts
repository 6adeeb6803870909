export * from './incremental.ts';
export * from './joint.ts';
export * from './multi.ts';
