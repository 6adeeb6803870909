export * from './decoders.ts';
export * from './foreground-alignment.ts';
export * from './spatial-alignment.ts';
export * from './temporal-gap.ts';
export { loudnessFactor, sharedConfig, windowOf, type SharedConfig } from './shared.ts';
