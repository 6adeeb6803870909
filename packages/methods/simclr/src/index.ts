export { checkpoints } from './checkpoints.ts';
export { simclr, simclr as default } from './simclr.ts';
