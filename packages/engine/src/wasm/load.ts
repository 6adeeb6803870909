/** Start the embedded engine: TensorFlow.js' WASM backend, completed for training and spectra, with our own fast kernels. */
import { availableParallelism } from 'node:os';
import type * as tfjs from '@tensorflow/tfjs-core';
import { registerConv } from './conv.ts';
import { startBackend } from './heap.ts';
import { registerComplex } from './complex.ts';
import { registerFallbacks } from './fallback.ts';
import { loadKernels } from './kernels.ts';
import { registerMatMul } from './matmul.ts';

export interface WasmOptions {
  /** Compute threads; default: all cores. Results do not depend on it. */
  readonly threads?: number;
}

/** Make `wasm` the backend of `tf`. Call once a process, before other tensors are made. */
export async function loadWasm(tf: typeof tfjs, options: WasmOptions = {}): Promise<void> {
  const { heap, backend } = await startBackend(tf);
  tf.removeBackend('wasm'); // the package has registered one that would start its own module
  tf.registerBackend('wasm', () => backend, 2);
  await tf.setBackend('wasm');
  registerComplex(tf);
  registerFallbacks(tf);
  const kernels = await loadKernels(heap, options.threads ?? availableParallelism());
  const context = { tf, backend, kernels };
  registerMatMul(context);
  registerConv(context);
}
