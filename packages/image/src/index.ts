export * from './crop.ts';
export * from './decode.ts';
export * from './encode.ts';
export * from './letterbox.ts';
export * from './prepare.ts';
export * from './resize.ts';
export * from './resize-float.ts';
export { loadSharp } from './sharp.ts';
