export { checkpoints } from './checkpoints.ts';
export { goldens as mocoGoldens } from './goldens.ts';
export { fromMoco, moco, moco as default } from './moco.ts';
