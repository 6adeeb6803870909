export * from './foreground-alignment.ts';
export * from './spatial-alignment.ts';
export * from './temporal-gap.ts';
