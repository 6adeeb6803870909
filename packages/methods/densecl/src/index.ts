export { checkpoints } from './checkpoints.ts';
export { densecl, densecl as default, fromDensecl } from './densecl.ts';
export { goldens as denseclGoldens } from './goldens.ts';
