export * from './audio-file.ts';
export * from './files.ts';
export * from './json-records.ts';
export * from './npy.ts';
export { readPickle, type PickleOptions } from './pickle.ts';
export * from './safetensors.ts';
export * from './torch.ts';
export * from './wav.ts';
export * from './zip.ts';
