export { barlowTwinsMethod, barlowTwinsMethod as default } from './barlow-twins.ts';
export { checkpoints } from './checkpoints.ts';
