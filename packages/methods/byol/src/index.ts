export { byolMethod, byolMethod as default } from './byol.ts';
export { checkpoints } from './checkpoints.ts';
