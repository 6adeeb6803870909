/** Counting what the engine holds. */
import { tf } from './backend.ts';

export interface MemoryUse {
  readonly tensors: number;
  readonly bytes: number;
}

/** Tensors (variables included) and bytes alive on the engine. */
export function memoryUse(): MemoryUse {
  const { numTensors, numBytes } = tf.memory();
  return { tensors: numTensors, bytes: numBytes };
}

/** What stays behind after `fn`, its result included: negative when it freed more than it made. */
export async function leakCheck<T>(fn: () => T | Promise<T>): Promise<MemoryUse & { readonly result: T }> {
  const before = memoryUse();
  const result = await fn();
  const after = memoryUse();
  return { result, tensors: after.tensors - before.tensors, bytes: after.bytes - before.bytes };
}
