export * from './batch-norm.ts';
export * from './conv-norm.ts';
export * from './conv.ts';
export * from './dropout.ts';
export * from './layer.ts';
export * from './linear.ts';
export * from './mlp.ts';
