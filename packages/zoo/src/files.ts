/** What can be known of checkpoints without an engine: `--help` and listings stay quick. */
export * from './card.ts';
export * from './find.ts';
export * from './manifest.ts';
export * from './model-files.ts';
export * from './weights.ts';
