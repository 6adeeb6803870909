export { checkpoints } from './checkpoints.ts';
export { mtSlvrGoldens } from './goldens.ts';
export { mtSlvr, mtSlvr as default, mtSlvrConfig } from './mt-slvr.ts';
export * from './transforms.ts';
