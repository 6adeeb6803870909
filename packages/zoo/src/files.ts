/** What can be known of checkpoints without an engine: `--help` and listings stay quick. */
export * from './card.ts';
export * from './find.ts';
export * from './index-file.ts';
export * from './index-schema.ts';
export * from './licence.ts';
export * from './manifest.ts';
export * from './model-files.ts';
export * from './pull.ts';
export * from './share-links.ts';
export * from './weights.ts';
export * from './zoo-cache.ts';
