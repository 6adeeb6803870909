export * from './audio-file.ts';
export * from './files.ts';
export * from './npy.ts';
export * from './safetensors.ts';
export * from './wav.ts';
