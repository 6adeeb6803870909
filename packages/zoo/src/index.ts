export * from './card.ts';
export * from './find.ts';
export * from './load.ts';
export * from './manifest.ts';
export * from './model-dir.ts';
export * from './model-files.ts';
export * from './network-embedder.ts';
export * from './weights.ts';
