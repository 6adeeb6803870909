/** Start the embedded engine: TensorFlow.js' WASM backend, completed for training and spectra, with our own fast kernels. */
import { availableParallelism } from 'node:os';
import type * as tfjs from '@tensorflow/tfjs-core';
import { registerConv } from './conv.ts';
import { type Heap, type HeapBackend, startBackend } from './heap.ts';
import { registerComplex } from './complex.ts';
import { registerFallbacks } from './fallback.ts';
import { type Kernels, loadKernels } from './kernels.ts';
import { registerMatMul } from './matmul.ts';
import type { Context } from './override.ts';
import { registerNorm } from './norm.ts';
import { registerPasses } from './passes.ts';
import { registerSparse } from './sparse.ts';

export interface WasmOptions {
  /** Compute threads; default: all cores. Results do not depend on it. */
  readonly threads?: number;
}

export interface WasmEngine {
  readonly heap: Heap;
  readonly backend: HeapBackend;
  readonly kernels: Kernels;
}

/** Make `wasm` the backend of `tf`. Call once a process, before other tensors are made. */
export async function loadWasm(tf: typeof tfjs, options: WasmOptions = {}): Promise<WasmEngine> {
  const { heap, backend } = await startBackend(tf);
  tf.removeBackend('wasm'); // the package has registered one that would start its own module
  tf.registerBackend('wasm', () => backend, 2);
  await tf.setBackend('wasm');
  registerComplex(tf);
  registerFallbacks(tf);
  const kernels = await loadKernels(heap, options.threads ?? availableParallelism());
  registerAll({ tf, backend, kernels });
  return { heap, backend, kernels };
}

/** Put our kernels in front of the stock ones, or in front of our own of another build. */
export function registerAll(context: Context): void {
  registerMatMul(context);
  registerConv(context);
  registerNorm(context);
  registerPasses(context);
  registerSparse(context);
}
